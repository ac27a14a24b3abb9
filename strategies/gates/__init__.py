"""Whether to deploy what was trained."""

from backtrain.strategies.gates import (
    ab_test,
    approval,
    chain,
    data_check,
    holdout,
    online,
)
from backtrain.strategies.gates.ab_test import *
from backtrain.strategies.gates.approval import *
from backtrain.strategies.gates.chain import *
from backtrain.strategies.gates.data_check import *
from backtrain.strategies.gates.holdout import *
from backtrain.strategies.gates.online import *

__all__: list[str] = []
__all__ += ab_test.__all__
__all__ += approval.__all__
__all__ += chain.__all__
__all__ += data_check.__all__
__all__ += holdout.__all__
__all__ += online.__all__
