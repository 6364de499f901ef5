"""Keeps two JSON files in a key-value store, and answers exchange rates from it.

Written against PyDAOS, whose interface Millpond provides. The pool and the container exist already:

    millpond pool create pydaos_json --size 1GiB
    millpond container create pydaos_json/kvstore --type PYTHON
    python json_example.py EUR CNY
"""

import json
import sys
from pathlib import Path

from pydaos import DCont, DDict, DObjNotFound

HERE = Path(__file__).parent


def store_files(store: DDict) -> None:
    """One key a currency, and one a rate."""
    for code, currency in json.loads((HERE / "data.json").read_text(encoding="utf-8")).items():
        store.put(f"currency/{code}", json.dumps(currency))
    conversions = json.loads((HERE / "conversions.json").read_text(encoding="utf-8"))
    store.put("date", conversions["date"])
    store.bput({f"rate/{code}": str(rate) for code, rate in conversions["rates"].items()})


def show_rate(store: DDict, code: str) -> None:
    try:
        currency = json.loads(store[f"currency/{code}"])
        rate = float(store[f"rate/{code}"])
    except KeyError:
        print(f"{code}: no such currency")
        return
    digits = currency["decimal_digits"]
    print(f"1 US dollar = {currency['symbol']}{rate:.{digits}f} ({currency['name_plural']})")


def main() -> None:
    container = DCont("pydaos_json", "kvstore", None)
    try:
        store = container.get("kvstore")
    except DObjNotFound:
        store = container.dict("kvstore")
    store_files(store)
    print(f"{container}: {len(store)} keys; rates of {store['date'].decode()}")
    for code in sys.argv[1:] or ["CAD", "EUR", "AUD", "CNY", "SGD", "XYZ"]:
        show_rate(store, code)


if __name__ == "__main__":
    main()
