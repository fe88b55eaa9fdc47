"""The cluster on one machine of the documentation: the script starts and ends it, and a data set is explained by it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scaled import ROOT, cores, files, small_job, wait_for_end

pytest.importorskip("distributed")
pytest.importorskip("yaml")

import yaml

from benchmarks import killed
from lrp_ref.scale import run


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found under /proc")
@pytest.mark.skipif(cores() < 2, reason="two workers need two cores")
@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")
def test_the_script_starts_a_cluster_and_ends_it(tmp_path: Path) -> None:
    made = small_job(tmp_path)
    run(made, tmp_path / "serial")
    with killed.separate(tmp_path) as (address, nannies):
        workers = [worker for nanny in nannies for worker in killed.children(nanny)]
        assert (len(nannies), len(workers)) == (2, 2)
        run(made, tmp_path / "out", scheduler=address)
    assert files(tmp_path / "out") == files(tmp_path / "serial")
    assert not wait_for_end([*nannies, *workers])


def test_the_containers_are_started_with_options_that_dask_has() -> None:
    services = yaml.safe_load((ROOT / "docs" / "scale" / "compose.yaml").read_text())["services"]
    for name in ("scheduler", "worker"):
        program, command, *arguments = services[name]["command"].split()
        assert (program, command) == ("dask", name)
        told = subprocess.run([sys.executable, "-m", "dask", command, "--help"], capture_output=True, text=True).stdout
        for option in (argument for argument in arguments if argument.startswith("--")):
            assert option in told, option
    assert services["client"]["entrypoint"] == "lrp-ref"
    assert all(service["volumes"] == ["./data:/data"] for service in services.values())
