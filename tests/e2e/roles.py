"""The official Python client of a user who may only read, and of one who may only do everything with its own indices.

Run by scripts/e2e.sh, which sets what client.py needs, and ESAUTH_READER and ESAUTH_EDITOR, both "user:password".
"""

import os
import sys
import warnings

try:
    import elasticsearch as library
    from elasticsearch import Elasticsearch as Client, helpers
except ImportError:
    import opensearchpy as library
    from opensearchpy import OpenSearch as Client, helpers

INDEX, ALIAS, FOREIGN = "products-e2e-python-1", "products-e2e-python", "foreign-e2e-python"
NEW_CLIENT = library.__name__ == "elasticsearch" and library.__version__[0] >= 8


def connect(variable):
    options = {"basic_auth" if NEW_CLIENT else "http_auth": tuple(os.environ[variable].split(":"))}
    options["request_timeout" if NEW_CLIENT else "timeout"] = 120  # much else may run on the machine
    if os.environ["ESAUTH_CA"]:
        options["ca_certs"] = os.environ["ESAUTH_CA"]
    return Client(os.environ["ESAUTH_URL"], **options)


def is_refused(action, *arguments, **options):
    try:
        action(*arguments, **options)
    except library.exceptions.AuthorizationException as error:
        assert (error.meta.status if NEW_CLIENT else error.status_code) == 403, error
        assert "security_exception" in str(error), error
        return
    raise AssertionError(f"{action.__name__} {options} was allowed")


def an_editor_does_everything_with_its_own_indices(editor, _reader):
    editor.indices.create(index=INDEX, body={"settings": {"number_of_replicas": 0}})
    assert editor.indices.exists(index=INDEX)
    editor.index(index=INDEX, id="1", body={"name": "red shirt"}, refresh=True)
    actions = [{"_index": INDEX, "_id": str(n), "_source": {"name": f"blue hat {n}"}} for n in range(2, 302)]
    assert helpers.bulk(editor, actions, refresh=True) == (300, [])
    editor.indices.put_mapping(index=INDEX, body={"properties": {"price": {"type": "float"}}})
    editor.indices.update_aliases(body={"actions": [{"add": {"index": INDEX, "alias": ALIAS}}]})
    assert list(editor.indices.get_alias(name=ALIAS)) == [INDEX]
    editor.update(index=INDEX, id="1", body={"doc": {"price": 1}})
    editor.delete(index=INDEX, id="301", refresh=True)


def a_reader_reads(_editor, reader):
    found = reader.search(index=INDEX, body={"query": {"match": {"name": "shirt"}}})
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["1"], found
    found = reader.search(body={"query": {"match_all": {}}, "size": 1000})
    assert {hit["_index"] for hit in found["hits"]["hits"]} == {INDEX}, "a search without an index is narrowed"
    assert reader.count(index=ALIAS)["count"] == 300
    assert reader.get(index=INDEX, id="1")["found"]
    assert len(reader.mget(index=INDEX, body={"ids": ["1", "2"]})["docs"]) == 2
    assert len(reader.msearch(body=[{"index": INDEX}, {"query": {"match_all": {}}}] * 2)["responses"]) == 2
    assert "name" in reader.field_caps(index=INDEX, fields="*")["fields"]


def a_refused_act_raises_the_authorization_error(editor, reader):
    is_refused(reader.index, index=INDEX, body={"a": 1})
    is_refused(reader.delete, index=INDEX, id="1")
    is_refused(reader.bulk, body=[{"delete": {"_index": INDEX, "_id": "1"}}])
    is_refused(reader.indices.delete, index=INDEX)
    is_refused(reader.search, index=FOREIGN)
    is_refused(reader.msearch, body=[{"index": FOREIGN}, {}])
    is_refused(reader.cluster.health)
    is_refused(editor.indices.delete, index="*")
    is_refused(editor.index, index=FOREIGN, body={"a": 1})
    is_refused(editor.reindex, body={"source": {"index": FOREIGN}, "dest": {"index": INDEX}})
    assert editor.count(index=INDEX)["count"] == 300


TESTS = [an_editor_does_everything_with_its_own_indices, a_reader_reads, a_refused_act_raises_the_authorization_error]


def main():
    warnings.simplefilter("ignore")
    owner = connect("ESAUTH_USER")
    owner.indices.delete(index=INDEX, ignore_unavailable=True)
    owner.index(index=FOREIGN, id="1", body={"name": "shirt"}, refresh=True)
    print(f"1..{len(TESTS)}")
    editor, reader, failed = connect("ESAUTH_EDITOR"), connect("ESAUTH_READER"), False
    for test in TESTS:
        try:
            test(editor, reader)
            print("ok", test.__name__)
        except Exception as error:  # whatever it is, it fails this test and not the others
            failed = True
            print(f"not ok {test.__name__}: {type(error).__name__}: {error}")
    for index in [INDEX, FOREIGN]:
        owner.indices.delete(index=index, ignore_unavailable=True)
    sys.exit(failed)


main()
