"""Preprocessing with pandas: missing values, categories, conversion to tensors."""

import os
import tempfile

import pandas as pd
import torch

folder = tempfile.mkdtemp()
data_file = os.path.join(folder, "house_tiny.csv")
with open(data_file, "w") as f:
    f.write("""NumRooms,RoofType,Price
NA,NA,127500
2,NA,106000
4,Slate,178100
NA,NA,140000""")
data = pd.read_csv(data_file)
print(data)
inputs, targets = data.iloc[:, 0:2], data.iloc[:, 2]
inputs = pd.get_dummies(inputs, dummy_na=True)
print(inputs)
inputs = inputs.fillna(inputs.mean())
print(inputs)
X = torch.tensor(inputs.to_numpy(dtype=float))
y = torch.tensor(targets.to_numpy(dtype=float))
print((X, y))
print(torch.tensor(inputs.values.astype(float)).dtype, torch.tensor(data["Price"].values).dtype)
print(pd.isna(data).sum().to_dict(), data.drop(columns=data.isna().sum().idxmax()).shape)
