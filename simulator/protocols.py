"""Where parts were described in 0.1."""

from backtrain.simulator.errors import PartError as PartError
from backtrain.simulator.parts import Gate as Gate
from backtrain.simulator.parts import Monitor as Monitor
from backtrain.simulator.parts import Part as Part
from backtrain.simulator.parts import Policy as Policy
from backtrain.simulator.parts import RecordedAnswers as RecordedAnswers
from backtrain.simulator.parts import Trial as Trial
from backtrain.simulator.parts import Trigger as Trigger
from backtrain.simulator.parts import Update as Update
from backtrain.simulator.parts import Window as Window
from backtrain.simulator.reason import Reason as Reason
from backtrain.simulator.selection import Rows as Rows
from backtrain.simulator.selection import Selection as Selection
from backtrain.simulator.verdict import Verdict as Verdict
