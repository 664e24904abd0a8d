# SPDX-License-Identifier: Apache-2.0
"""Muon (Jordan et al. 2024) for the matrices, all of one shape in one batch: momentum, then the nearest orthogonal matrix."""
import torch


def orthogonal(g):
    """Newton-Schulz iteration of degree five; g [n, rows, columns]"""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x.mT if tall else x


class Muon:
    def __init__(self, parameters, momentum=0.95, decay=0.1, compiled=True):
        self.groups, self.momentum, self.decay = {}, momentum, decay
        for p in parameters:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.state = {shape: torch.zeros(len(ps), *shape, device=ps[0].device) for shape, ps in self.groups.items()}
        self.update = torch.compile(orthogonal, dynamic=False) if compiled else orthogonal

    @torch.no_grad()
    def step(self, lr):
        for shape, ps in self.groups.items():
            g, m = torch.stack([p.grad for p in ps]).float(), self.state[shape]
            m.lerp_(g, 1 - self.momentum)
            u = self.update(g.lerp(m, self.momentum)) * max(1, shape[0] / shape[1]) ** 0.5
            torch._foreach_mul_(ps, 1 - lr * self.decay)
            torch._foreach_add_(ps, list(u.float().unbind()), alpha=-lr)
