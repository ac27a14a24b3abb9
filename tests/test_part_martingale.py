from backtrain import Strategy
from backtrain.strategies import AnyOf, BeatsChampion, Every, Expanding, Martingale, Sliding

PARTS = [Martingale(), Martingale(0.05, max_wait="30D", seed=3), Martingale(of="score")]
NONSENSE = []
BOLD = Martingale(0.6, max_wait="12h", jump=0.5)
REGRESSION = {
    "martingale": Strategy(BOLD, Sliding(20)),
    "martingale that waits": Strategy(
        Martingale(0.6), Sliding(20), gate=BeatsChampion(0.3, min_rows=1)
    ),
}
LONG = {
    "martingale of scores": Strategy(Martingale(0.5, of="score"), Sliding("1D")),
    "martingale l": Strategy(AnyOf(BOLD, Every("2D")), Sliding(20)),
}
CLASSIFICATION = {"martingale of mistakes": Strategy(BOLD, Expanding())}
