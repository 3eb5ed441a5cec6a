"""Batches and scores arrive unchanged, even with several in transfer."""

import numpy as np
import pytest
import torch

from dfd.detector.transfer import Transfer

pytestmark = pytest.mark.cuda


def test_uploads_and_downloads_are_lossless(device: torch.device) -> None:
    transfer = Transfer(device)
    generator = np.random.default_rng(0)
    for shape in ((1,), (3, 64_000), (64, 64_000)):
        sent = generator.standard_normal(shape).astype(np.float32)
        back = transfer.download(transfer.upload(sent)).wait()
        np.testing.assert_array_equal(back, sent)


def test_concurrent_transfers_do_not_mix(device: torch.device) -> None:
    transfer = Transfer(device)
    batches = [np.full((32, 64_000), float(number), np.float32) for number in range(12)]
    pending = []
    for batch in batches:
        arrived = transfer.upload(batch)
        sums = arrived @ arrived.new_ones(64_000, 8)
        pending.append(transfer.download(sums.mean(dim=1) / 64_000))
    for number, download in enumerate(pending):
        np.testing.assert_allclose(download.wait(), float(number), rtol=1e-3)


def test_writes_after_an_upload_have_no_effect(card: torch.device) -> None:
    transfer = Transfer(card)
    batch = np.ones((64, 64_000), np.float32)
    arrived = transfer.upload(batch)
    batch[:] = 2.0
    assert float(arrived.max()) == 1.0


def test_uploads_are_page_locked_and_use_another_stream(card: torch.device) -> None:
    transfer = Transfer(card)
    torch.cuda.synchronize()
    busy = torch.randn(8192, 8192, device=card)
    for _ in range(20):
        busy = (busy @ busy).clamp(-1, 1)
    arrived = transfer.upload(np.ones((64, 64_000), np.float32))
    scores = transfer.download(arrived[:, 0] + 0 * busy[0, :64])
    assert not scores.arrived.query(), "the download waits for the work before it"
    np.testing.assert_array_equal(scores.wait(), np.ones(64, np.float32))
