"""Boxes: anchors, overlaps, offsets, suppression of neighbours, losses of a small SSD and of YOLO."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(13)
torch.set_printoptions(precision=2)


def box_corner_to_center(boxes):
    x1, y1, x2, y2 = boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]
    return torch.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), axis=-1)


def box_center_to_corner(boxes):
    cx, cy, w, h = boxes.unbind(-1)
    return torch.stack((cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h), axis=-1)


def multibox_prior(data, sizes, ratios):
    in_height, in_width = data.shape[-2:]
    boxes_per_pixel = len(sizes) + len(ratios) - 1
    size_tensor, ratio_tensor = torch.tensor(sizes), torch.tensor(ratios)
    center_h, center_w = (
        (torch.arange(in_height) + 0.5) / in_height,
        (torch.arange(in_width) + 0.5) / in_width,
    )
    shift_y, shift_x = torch.meshgrid(center_h, center_w, indexing="ij")
    shift_y, shift_x = shift_y.reshape(-1), shift_x.reshape(-1)
    w = (
        torch.cat(
            (size_tensor * torch.sqrt(ratio_tensor[0]), sizes[0] * torch.sqrt(ratio_tensor[1:]))
        )
        * in_height
        / in_width
    )
    h = torch.cat(
        (size_tensor / torch.sqrt(ratio_tensor[0]), sizes[0] / torch.sqrt(ratio_tensor[1:]))
    )
    anchor_manipulations = torch.stack((-w, -h, w, h)).T.repeat(in_height * in_width, 1) / 2
    out_grid = torch.stack([shift_x, shift_y, shift_x, shift_y], dim=1).repeat_interleave(
        boxes_per_pixel, dim=0
    )
    return (out_grid + anchor_manipulations).unsqueeze(0)


def box_iou(boxes1, boxes2):
    box_area = lambda boxes: (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    areas1, areas2 = box_area(boxes1), box_area(boxes2)
    upperlefts = torch.max(boxes1[:, None, :2], boxes2[:, :2])
    lowerrights = torch.min(boxes1[:, None, 2:], boxes2[:, 2:])
    inters = (lowerrights - upperlefts).clamp(min=0)
    inter_areas = inters[:, :, 0] * inters[:, :, 1]
    return inter_areas / (areas1[:, None] + areas2 - inter_areas)


def assign_anchor_to_bbox(ground_truth, anchors, iou_threshold=0.5):
    num_anchors, num_gt_boxes = anchors.shape[0], ground_truth.shape[0]
    jaccard = box_iou(anchors, ground_truth)
    anchors_bbox_map = torch.full((num_anchors,), -1, dtype=torch.long)
    max_ious, indices = torch.max(jaccard, dim=1)
    anc_i = torch.nonzero(max_ious >= iou_threshold).reshape(-1)
    box_j = indices[max_ious >= iou_threshold]
    anchors_bbox_map[anc_i] = box_j
    col_discard, row_discard = torch.full((num_anchors,), -1.0), torch.full((num_gt_boxes,), -1.0)
    for _ in range(num_gt_boxes):
        max_idx = torch.argmax(jaccard)
        box_idx = (max_idx % num_gt_boxes).long()
        anc_idx = (max_idx / num_gt_boxes).long()
        anchors_bbox_map[anc_idx] = box_idx
        jaccard[:, box_idx] = col_discard
        jaccard[anc_idx, :] = row_discard
    return anchors_bbox_map


def offset_boxes(anchors, assigned_bb, eps=1e-6):
    c_anc, c_assigned_bb = box_corner_to_center(anchors), box_corner_to_center(assigned_bb)
    offset_xy = 10 * (c_assigned_bb[:, :2] - c_anc[:, :2]) / c_anc[:, 2:]
    offset_wh = 5 * torch.log(eps + c_assigned_bb[:, 2:] / c_anc[:, 2:])
    return torch.cat([offset_xy, offset_wh], axis=1)


def nms(boxes, scores, iou_threshold):
    B = torch.argsort(scores, dim=-1, descending=True)
    keep = []
    while B.numel() > 0:
        i = B[0]
        keep.append(i)
        if B.numel() == 1:
            break
        iou = box_iou(boxes[i, :].reshape(-1, 4), boxes[B[1:], :].reshape(-1, 4)).reshape(-1)
        inds = torch.nonzero(iou <= iou_threshold).reshape(-1)
        B = B[inds + 1]
    return torch.tensor(keep)


X = torch.rand(size=(1, 3, 4, 5))
Y = multibox_prior(X, sizes=[0.75, 0.5, 0.25], ratios=[1, 2, 0.5])
boxes = Y.reshape(4, 5, 5, 4)
print(
    Y.shape,
    boxes[2, 2, 0, :],
    torch.allclose(box_center_to_corner(box_corner_to_center(Y[0])), Y[0]),
)
ground_truth = torch.tensor([[0, 0.1, 0.08, 0.52, 0.92], [1, 0.55, 0.2, 0.9, 0.88]])
anchors = torch.tensor(
    [
        [0, 0.1, 0.2, 0.3],
        [0.15, 0.2, 0.4, 0.4],
        [0.63, 0.05, 0.88, 0.98],
        [0.66, 0.45, 0.8, 0.8],
        [0.57, 0.3, 0.92, 0.9],
    ]
)
mapping = assign_anchor_to_bbox(ground_truth[:, 1:], anchors)
mask = ((mapping >= 0).float().unsqueeze(-1)).repeat(1, 4)
labels = torch.zeros(5, dtype=torch.long)
assigned = torch.zeros((5, 4))
true = torch.nonzero(mapping >= 0)
labels[true] = ground_truth[mapping[true], 0].long() + 1
assigned[true] = ground_truth[mapping[true], 1:]
print(mapping, labels, mask.sum(), (offset_boxes(anchors, assigned) * mask)[1:3])
dets = torch.tensor(
    [
        [0.1, 0.08, 0.52, 0.92],
        [0.08, 0.2, 0.56, 0.95],
        [0.15, 0.3, 0.62, 0.91],
        [0.55, 0.2, 0.9, 0.88],
    ]
)
print(nms(dets, torch.tensor([0.9, 0.8, 0.7, 0.95]), 0.5), box_iou(dets, dets)[0])


class TinySSD(nn.Module):
    def __init__(self, num_classes=2, num_anchors=5):
        super().__init__()
        self.body = nn.ModuleList()
        channels = 3
        for out in (8, 16):
            self.body.append(
                nn.Sequential(
                    nn.Conv2d(channels, out, 3, padding=1),
                    nn.BatchNorm2d(out),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                )
            )
            channels = out
            setattr(
                self, f"cls_{out}", nn.Conv2d(out, num_anchors * (num_classes + 1), 3, padding=1)
            )
            setattr(self, f"bbox_{out}", nn.Conv2d(out, num_anchors * 4, 3, padding=1))
        self.num_classes = num_classes

    def forward(self, X):
        anchors, cls_preds, bbox_preds = [], [], []
        for i, blk in enumerate(self.body):
            X = blk(X)
            anchors.append(multibox_prior(X, [0.2 + 0.3 * i, 0.3 + 0.3 * i, 0.4], [1, 2, 0.5]))
            cls_preds.append(getattr(self, f"cls_{X.shape[1]}")(X))
            bbox_preds.append(getattr(self, f"bbox_{X.shape[1]}")(X))
        flat = lambda preds: torch.cat(
            [torch.flatten(p.permute(0, 2, 3, 1), start_dim=1) for p in preds], dim=1
        )
        return (
            torch.cat(anchors, dim=1),
            flat(cls_preds).reshape(X.shape[0], -1, self.num_classes + 1),
            flat(bbox_preds),
        )


net = TinySSD()
images = torch.rand(2, 3, 16, 16)
trainer = torch.optim.SGD(net.parameters(), lr=0.2, weight_decay=5e-4)
for step in range(3):
    anchors, cls_preds, bbox_preds = net(images)
    cls_labels, bbox_labels, bbox_masks = [], [], []
    for _ in range(2):
        mapping = assign_anchor_to_bbox(ground_truth[:, 1:], anchors[0])
        assigned = torch.zeros(anchors.shape[1], 4)
        positive = torch.nonzero(mapping >= 0).squeeze(-1)
        assigned[positive] = ground_truth[mapping[positive], 1:]
        cls = torch.zeros(anchors.shape[1], dtype=torch.long)
        cls[positive] = ground_truth[mapping[positive], 0].long() + 1
        m = (mapping >= 0).float().unsqueeze(-1).repeat(1, 4)
        cls_labels.append(cls)
        bbox_masks.append(m.reshape(-1))
        bbox_labels.append((offset_boxes(anchors[0], assigned) * m).reshape(-1))
    cls_labels, bbox_labels, bbox_masks = (
        torch.stack(cls_labels),
        torch.stack(bbox_labels),
        torch.stack(bbox_masks),
    )
    cls_loss = (
        F.cross_entropy(cls_preds.reshape(-1, 3), cls_labels.reshape(-1), reduction="none")
        .reshape(2, -1)
        .mean(dim=1)
    )
    bbox_loss = F.l1_loss(bbox_preds * bbox_masks, bbox_labels * bbox_masks, reduction="none").mean(
        dim=1
    )
    l = (cls_loss + bbox_loss).mean()
    trainer.zero_grad()
    l.backward()
    trainer.step()
    acc = (
        float((cls_preds.argmax(dim=-1).type(cls_labels.dtype) == cls_labels).sum())
        / cls_labels.numel()
    )
    print(f"ssd {l:.4f} acc {acc:.3f}", anchors.shape, tuple(bbox_preds.shape))

pred, target = torch.randn(2, 3, 3, 3, 7, requires_grad=True), torch.zeros(2, 3, 3, 3, 7)
target[0, 1, 1, 2, :5] = torch.tensor([0.5, 0.4, 1.1, 0.9, 1.0])
obj, noobj = target[..., 4] == 1, target[..., 4] == 0
yolo = (
    5
    * F.mse_loss(
        torch.cat([pred[..., 0:2].sigmoid(), pred[..., 2:4].exp()], -1)[obj], target[..., :4][obj]
    )
    + F.binary_cross_entropy_with_logits(pred[..., 4:5][noobj], target[..., 4:5][noobj])
    + F.cross_entropy(pred[..., 5:][obj], target[..., 5][obj].long())
)
yolo.backward()
print(f"yolo {yolo.item():.4f} {pred.grad.abs().sum():.4f}")
grid = F.affine_grid(
    torch.tensor([[[0.5, 0.0, 0.1], [0.0, 0.5, -0.2]]]), (1, 1, 4, 4), align_corners=False
)
print(
    F.grid_sample(images[:1, :1], grid, align_corners=False)[0, 0, :2],
    F.adaptive_max_pool2d(images, (2, 3)).shape,
    F.pixel_shuffle(torch.arange(16.0).view(1, 4, 2, 2), 2)[0, 0, 0],
)
torch.set_printoptions(profile="default")
