from backtrain import Strategy
from backtrain.strategies import EstimatedDrop, Sliding, AnyOf, Every, BeatsChampion, Expanding

PARTS = [EstimatedDrop("accuracy", drop="5%")]
SMALL = dict(window=12, min_rows=5, min_labels=9)
REGRESSION = {
    "estimated error": Strategy(EstimatedDrop("MAE", drop="10%", **SMALL), Sliding(30)),
    "estimated floor": Strategy(
        AnyOf(EstimatedDrop("RMSE", below=1.0, **SMALL), Every("25h")),
        Expanding(),
        gate=BeatsChampion(0.3, min_rows=1),
    ),
}
CLASSIFICATION = {
    "estimated accuracy": Strategy(EstimatedDrop("accuracy", drop=0.02, **SMALL), Sliding(25)),
    "estimated ROC AUC": Strategy(
        EstimatedDrop("ROC AUC", below=0.9, **SMALL),
        Expanding(),
        gate=BeatsChampion(0.3, min_rows=1),
    ),
}
