"""pandas and scikit-learn with tensors in and out."""

import numpy as np
import pandas as pd
import torch
from sklearn import metrics
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
data = pd.DataFrame(
    {
        "NumRooms": [np.nan, 2.0, 4.0, np.nan],
        "RoofType": [np.nan, np.nan, "Slate", np.nan],
        "Price": [127500, 106000, 178100, 140000],
    }
)
inputs, targets = data.iloc[:, 0:2], data.iloc[:, 2]
inputs = pd.get_dummies(inputs, dummy_na=True)
inputs = inputs.fillna(inputs.mean())
print(inputs)
X = torch.tensor(inputs.to_numpy(dtype=float))
y = torch.tensor(targets.to_numpy(dtype=float))
print(X, y)
print(
    torch.tensor(data["Price"].values),
    torch.from_numpy(data["Price"].to_numpy().copy()),
    torch.tensor(data["Price"].tolist()),
)
print(
    torch.FloatTensor(data[["Price"]].values.astype(np.float32)).shape,
    torch.Tensor(data["Price"].values).sum(),
)
frame = pd.DataFrame(X.numpy(), columns=list("abc"))
frame["y"] = y
print(frame.round(1), frame["y"].mean())
print(
    pd.DataFrame(torch.eye(2).tolist()),
    pd.Series(torch.tensor([1.5, 2.5]).numpy()).sum(),
    pd.DataFrame({"t": torch.arange(3)})["t"].tolist(),
)

logits, labels = torch.randn(20, 3), torch.randint(0, 3, (20,))
pred = logits.argmax(1)
print(
    metrics.accuracy_score(labels, pred),
    metrics.confusion_matrix(labels, pred).tolist(),
    round(metrics.f1_score(labels, pred, average="macro"), 4),
)
print(
    metrics.accuracy_score(labels.tolist(), pred.cpu().numpy()),
    round(metrics.mean_squared_error(torch.ones(3), torch.tensor([1.0, 2.0, 3.0])), 4),
)
print(metrics.classification_report(labels.numpy(), pred.numpy()))
print(round(metrics.roc_auc_score((labels == 1).int(), torch.softmax(logits, 1)[:, 1].detach()), 4))
scaled = StandardScaler().fit_transform(logits)
print(type(scaled).__name__, scaled.mean().round(4), torch.from_numpy(scaled).std(0))
a, b, c, d = train_test_split(logits.numpy(), labels.numpy(), test_size=0.25, random_state=0)
print(a.shape, d.tolist(), LinearRegression().fit(logits, labels).coef_.shape)
