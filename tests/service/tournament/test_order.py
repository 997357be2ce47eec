"""What is to be run: dealt out fairly, named rightly, found again."""

import csv
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from policies.tournament import CellResult
from service.tournament import BadTournament, code, read_table
from service.tournament.cells_file import CellsFile
from service.tournament.order import Entrant, known_policies, make_order

REGMIX = Path(__file__).parents[4] / "shared" / "data" / "regmix"


def test_seeds_are_dealt_out_over_domains_and_noise():
    order = make_order(["uniform", "odm"], ["hubs", "flat"], seeds=4, many=6, domains=(5, 8), first_seed=10)
    jobs = order.jobs()
    assert len(jobs) == 2 * 6
    places = [(j.place.K, j.place.noise, j.place.seed) for j in jobs if j.place.world == "hubs"]
    assert places == [(5, 0.003, 10), (5, 0.01, 11), (8, 0.003, 12), (8, 0.01, 13), (5, 0.003, 14), (5, 0.01, 15)]
    assert [[e.name for e in j.entrants] for j in jobs[::2]] == [["uniform", "odm"]] * 4 + [["uniform"]] * 2


def test_everybody_enters_by_default_and_odm_in_both_forms():
    names = known_policies()
    assert {"proportional", "uniform", "transfer_law", "own_law", "odm", "odm_exp3"} <= set(names)
    assert "fixed" not in names
    order = make_order()
    assert order.entrants[names.index("odm_exp3")] == Entrant("odm_exp3", "odm", {"form": "exp3"})
    assert Entrant("transfer_law_losses", "transfer_law", {"products": 0}) in order.entrants
    assert len(order.worlds) >= 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policies": ["transfer_lew"]}, "no policy is named 'transfer_lew' (did you mean 'transfer_law'?)"),
        ({"worlds": ["hub"]}, "no world is named 'hub' (did you mean 'hubs'?)"),
        ({"policies": []}, "there are no policies"),
        ({"domains": (1,)}, "domains are 1; a world needs at least 2"),
        ({"noise": (3.0,)}, "noise is 3; it must be in [0, 1)"),
        ({"seeds": 0}, "there must be at least 1"),
        ({"seeds": 4, "many": 3}, "many is 3; give at least as many as the seeds of the others, 4"),
        ({"first_seed": -1}, "the first must be >= 0"),
    ],
)
def test_a_wrong_order_is_one_sentence(arguments, message):
    with pytest.raises(BadTournament, match=re.escape(message)):
        make_order(**arguments)


def test_other_options_and_other_code_are_other_cells(monkeypatch):
    plain, tuned = make_order(["odm"], ["flat"]), make_order(["odm"], ["flat"], tuned={"odm": {"keep": 0.5}})
    place = plain.jobs()[0].place
    key = plain.cell_key(place, plain.entrants[0])
    assert key == plain.cell_key(place, plain.entrants[0])
    assert key != tuned.cell_key(place, tuned.entrants[0])
    assert code.digest_of("odm") != code.digest_of("transfer_law")
    monkeypatch.setattr("service.tournament.order.digest_of", lambda policy: "other code")
    assert key != plain.cell_key(place, plain.entrants[0])


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("caps.py", {"uniform", "odm", "transfer_law"}),
        ("worlds/truth.py", {"uniform", "odm", "transfer_law"}),
        ("laws/pools.py", {"uniform", "odm", "transfer_law"}),
        ("a_new_one.py", {"uniform", "odm", "transfer_law"}),
        ("laws/solve.py", {"odm", "transfer_law"}),
        ("rivals/odm.py", {"odm"}),
        ("transfer_law/choose.py", {"transfer_law"}),
        ("tournament/goals.py", set()),
    ],
)
def test_cells_are_anew_where_their_code_has_changed_and_only_there(tmp_path, monkeypatch, request, file, changed):
    request.addfinalizer(code._digest.cache_clear)  # whatever happens, no later test gets the copy's digests
    root = tmp_path / "policies"
    shutil.copytree(Path(code.policies.__file__).parent, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "policies", SimpleNamespace(__file__=str(root / "__init__.py")))
    entrants = ("uniform", "odm", "transfer_law")
    code._digest.cache_clear()
    before = {name: code.digest_of(name) for name in entrants}
    with (root / file).open("a") as opened:
        opened.write("# changed\n")
    code._digest.cache_clear()
    assert {name for name in entrants if code.digest_of(name) != before[name]} == changed


def test_code_digests_name_files_that_are_there():
    root = Path(code.policies.__file__).parent
    for part in (*code.RIVAL, *code.LAW, *code.WORLDS, *code.JUDGES):
        assert all(file.is_file() for file in code._files(root, (part,))), part
        assert code._files(root, (part,)), part


def test_a_line_that_is_no_cell_is_named(tmp_path):
    (tmp_path / "cells.jsonl").write_text('{"key": "x"}\n')
    with pytest.raises(BadTournament, match=r"line 1 is no finished cell"):
        CellsFile(tmp_path)


def test_cells_come_back_as_they_were(tmp_path):
    cell = CellResult("odm", "flat", 5, 0, 0.01, 1.0, float("nan"), 1.1, 0.9, None, False, True, 0.0, 0.1, None, 0.2, 3)
    CellsFile(tmp_path).add([("a", cell)])
    (found,) = CellsFile(tmp_path).done.values()
    assert found.to_dict() == cell.to_dict()


def write(path, head, rows):
    with path.open("w", newline="") as opened:
        csv.writer(opened).writerows([head, *rows])
    return str(path)


HEAD = ["note", "share/ct", "share/mr", "loss/ct", "loss/liver"]
ROWS = [["x", a / 10, 1 - a / 10, 2 - a / 20, 1 + a / 30] for a in range(1, 10)]


def test_one_file_with_prefixes(tmp_path):
    found = read_table(write(tmp_path / "t.csv", HEAD, ROWS))
    assert (found.names, found.targets, found.K, len(found.shares)) == (("ct", "mr"), ("ct", "liver"), 2, 9)
    world = found.world(seed=1, noise=0.01)
    assert [domain.name for domain in world.domains] == ["ct", "mr"]
    order = make_order(["uniform"], table=found, seeds=2)
    assert order.worlds == ("replay",)
    assert {job.place.K for job in order.jobs()} == {2}
    assert make_order(["uniform"], ["hubs"], table=found).worlds == ("hubs", "replay")


def test_a_pair_of_files_is_joined_on_index(tmp_path):
    mix = write(tmp_path / "m.csv", ["index", "train_the_pile_a", "b"], [[i, i / 10, 1 - i / 10] for i in range(10)])
    loss = [[i, 2 - i / 20] for i in reversed(range(1, 12))]
    found = read_table(f"{mix},{write(tmp_path / 'l.csv', ['index', 'metric/the_pile_a_val_loss'], loss)}")
    assert (found.names, found.targets) == (("a", "b"), ("a",))
    assert found.shares[0] == (0.1, 0.9)
    assert found.losses[0] == (1.95,)
    assert len(found.shares) == 9


@pytest.mark.skipif(not REGMIX.is_dir(), reason="the table of RegMix lies beside the repository only")
def test_the_public_table():
    found = read_table(f"{REGMIX / 'train_mixture_1m.csv'},{REGMIX / 'train_pile_loss_1m.csv'}")
    assert (len(found.shares), found.K, len(found.targets)) == (512, 17, 13)
    assert set(found.targets) < set(found.names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda head, rows: (["note", "a", "b", "loss/ct", "loss/x"], rows), "no column that begins with 'share/'"),
        (lambda head, rows: (head, [[*rows[0][:3], "", 1.0], *rows[1:]]), "line 2: loss/ct is '', which is no number"),
        (lambda head, rows: (head, [rows[0][:4], *rows[1:]]), "line 2 has 4 values; the first line names 5 columns"),
        (lambda head, rows: (head, [["x", 0.9, 0.9, 1, 1], *rows[1:]]), "shares of run 0 sum to 1.8"),
        (lambda head, rows: (head, rows[:3]), "the table has 3 runs"),
        (lambda head, rows: (head, []), "has no rows"),
        (lambda head, rows: (["note", "share/ct", "share/ct", *head[3:]], rows), "two columns named 'share/ct'"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(tmp_path, change, message):
    with pytest.raises(BadTournament, match=re.escape(message)):
        read_table(write(tmp_path / "t.csv", *change(list(HEAD), [list(row) for row in ROWS])))


def test_wrong_files(tmp_path):
    with pytest.raises(BadTournament, match="there is no table at"):
        read_table(str(tmp_path / "none.csv"))
    lone = write(tmp_path / "t.csv", HEAD, ROWS)
    with pytest.raises(BadTournament, match="no column 'index'"):
        read_table(f"{lone},{lone}")
    with pytest.raises(BadTournament, match="give one file, or two"):
        read_table("a,b,c")
