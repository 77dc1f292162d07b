"""A table with gaps: read, filled, made into tensors."""

import os
import tempfile

import torch

rows = ["NumRooms,Alley,Price", "NA,Pave,127500", "2,NA,106000", "4,NA,178100", "NA,NA,140000"]
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "house_tiny.csv")
    with open(path, "w") as file:
        file.write("\n".join(rows) + "\n")
    with open(path) as file:
        header, *lines = [line.strip().split(",") for line in file]
print(header, len(lines))
rooms = torch.tensor([float("nan") if row[0] == "NA" else float(row[0]) for row in lines])
known = ~rooms.isnan()
print(rooms, known, rooms[known].mean(), torch.nanmean(rooms))
filled = torch.where(known, rooms, rooms[known].mean())
alley = torch.tensor([[row[1] == "Pave", row[1] == "NA"] for row in lines], dtype=torch.float32)
X = torch.cat((filled.reshape(-1, 1), alley), dim=1)
y = torch.tensor([int(row[2]) for row in lines], dtype=torch.float64)
print(X, y, X.dtype, y.dtype)
standard = (X - X.mean(0)) / X.std(0)
print(standard, y.log(), (y / 1000).round(), X.unique(), torch.bincount(X[:, 1].long()))
