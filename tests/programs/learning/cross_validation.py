"""House prices with pandas, K-fold cross validation, metrics, plain linear algebra."""

import numpy as np
import pandas as pd
import torch
from torch import nn

torch.manual_seed(6)
rng = np.random.default_rng(0)
n = 60
frame = pd.DataFrame(
    {
        "Area": rng.normal(100, 20, n),
        "Rooms": rng.integers(1, 6, n).astype(float),
        "Zone": rng.choice(["A", "B", "C"], n),
        "Alley": np.where(rng.random(n) < 0.5, None, "paved"),
        "Price": rng.normal(200, 30, n).round(2),
    }
)
frame.loc[::7, "Area"] = np.nan
train_data, test_data = frame[:40], frame[40:]
all_features = pd.concat((train_data.iloc[:, :-1], test_data.iloc[:, :-1]))
numeric = all_features.dtypes[(all_features.dtypes == "float64")].index
all_features[numeric] = all_features[numeric].apply(lambda x: (x - x.mean()) / (x.std()))
all_features[numeric] = all_features[numeric].fillna(0)
all_features = pd.get_dummies(all_features, dummy_na=True, dtype=int)
print(all_features.shape, list(all_features.columns))
n_train = train_data.shape[0]
train_features = torch.tensor(all_features[:n_train].values.astype(float), dtype=torch.float32)
test_features = torch.tensor(all_features[n_train:].values.astype(float), dtype=torch.float32)
train_labels = torch.tensor(train_data.Price.values.reshape(-1, 1), dtype=torch.float32)
print(
    train_features[:2], train_labels.dtype, torch.from_numpy(train_data["Price"].to_numpy()).dtype
)
loss = nn.MSELoss()


def log_rmse(net, features, labels):
    clipped_preds = torch.clamp(net(features), 1, float("inf"))
    rmse = torch.sqrt(loss(torch.log(clipped_preds), torch.log(labels)))
    return rmse.item()


def train(
    net,
    train_features,
    train_labels,
    test_features,
    test_labels,
    num_epochs,
    learning_rate,
    weight_decay,
    batch_size,
):
    train_ls, test_ls = [], []
    train_iter = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(train_features, train_labels), batch_size, shuffle=True
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate, weight_decay=weight_decay)
    for epoch in range(num_epochs):
        for X, y in train_iter:
            optimizer.zero_grad()
            l = loss(net(X), y)
            l.backward()
            optimizer.step()
        train_ls.append(log_rmse(net, train_features, train_labels))
        if test_labels is not None:
            test_ls.append(log_rmse(net, test_features, test_labels))
    return train_ls, test_ls


def get_k_fold_data(k, i, X, y):
    assert k > 1
    fold_size = X.shape[0] // k
    X_train, y_train = None, None
    for j in range(k):
        idx = slice(j * fold_size, (j + 1) * fold_size)
        X_part, y_part = X[idx, :], y[idx]
        if j == i:
            X_valid, y_valid = X_part, y_part
        elif X_train is None:
            X_train, y_train = X_part, y_part
        else:
            X_train = torch.cat([X_train, X_part], 0)
            y_train = torch.cat([y_train, y_part], 0)
    return X_train, y_train, X_valid, y_valid


k, num_epochs = 4, 3
train_l_sum = valid_l_sum = 0
for i in range(k):
    net = nn.Sequential(nn.Linear(train_features.shape[1], 1))
    train_ls, valid_ls = train(
        net, *get_k_fold_data(k, i, train_features, train_labels), num_epochs, 5.0, 0.01, 8
    )
    train_l_sum += train_ls[-1]
    valid_l_sum += valid_ls[-1]
    print(
        f"fold{i + 1}, train log rmse {float(train_ls[-1]):f}, valid log rmse {float(valid_ls[-1]):f}"
    )
print(f"{k}-fold: average {train_l_sum / k:.4f} {valid_l_sum / k:.4f}")
preds = net(test_features).detach().numpy()
test_data = test_data.assign(Predicted=pd.Series(preds.reshape(1, -1)[0], index=test_data.index))
print(test_data["Predicted"].round(2).head(3).tolist(), preds.dtype, preds.shape)

X = torch.cat([train_features, torch.ones(n_train, 1)], 1).double()
w = torch.linalg.lstsq(X, train_labels.double(), driver="gelsd").solution
ridge = torch.linalg.solve(
    X.T @ X + torch.eye(X.shape[1], dtype=torch.double), X.T @ train_labels.double()
)
print(w.norm(), ridge[:3].squeeze(), ((X @ w - train_labels) ** 2).mean())
print(
    pd.DataFrame(train_features[:2, :3].numpy()).round(3).values.tolist(),
    pd.Series(train_labels[:3, 0].tolist()).mean(),
)
table = pd.DataFrame({"loss": [torch.tensor(1.5).item(), float(torch.tensor(2.5))]})
print(
    torch.tensor(table["loss"].to_numpy()),
    torch.tensor(table.values),
    torch.tensor(list(table["loss"])),
)
