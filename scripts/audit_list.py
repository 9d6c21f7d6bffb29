"""audit_list.py LIST BILL: compares the list of crates that rust-audit-info read from a file with the file's bill of materials in
CycloneDX (both JSON), and fails if they differ. Where the package cyclonedx can be imported, it also checks the bill by the
format's schema."""

import json
import sys


def crates_of_list(path: str) -> set[str]:
    with open(path, encoding="utf-8") as file:
        return {f"pkg:cargo/{package['name']}@{package['version']}" for package in json.load(file)["packages"]}


def crates_of_bill(path: str) -> set[str]:
    with open(path, encoding="utf-8") as file:
        return {entry["ref"] for entry in json.load(file)["dependencies"]}


def check_schema(path: str) -> str:
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        return "the schema is not checked"
    with open(path, encoding="utf-8") as file:
        error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(file.read())
    if error:
        sys.exit(f"{path} is not CycloneDX 1.5: {error}")
    return "as the schema wants it"


listed, billed = crates_of_list(sys.argv[1]), crates_of_bill(sys.argv[2])
if not listed or listed != billed:
    sys.exit(f"{sys.argv[2]}: only in the list {sorted(listed - billed)}, only in the bill {sorted(billed - listed)}")
print(f"{sys.argv[2]}: {len(billed)} crates, {check_schema(sys.argv[2])}")
