"""A shop's use of the official Python client, through the guarded virtual host.

Run by scripts/e2e.sh, which provides the client of the back end's major version and sets ESAUTH_URL, ESAUTH_CA (empty
without TLS), ESAUTH_USER and ESAUTH_REFUSED, which are written "user:password".
"""

import os
import sys
import uuid
import warnings

try:
    import elasticsearch as library
    from elasticsearch import Elasticsearch as Client, helpers
except ImportError:
    import opensearchpy as library
    from opensearchpy import OpenSearch as Client, helpers

URL = os.environ["ESAUTH_URL"]
CA = os.environ["ESAUTH_CA"]
USER = os.environ["ESAUTH_USER"]
REFUSED = os.environ["ESAUTH_REFUSED"].split()
# Names for this run only: the back end may be the user's.
ALIAS = f"python-e2e-{uuid.uuid4().hex}"
INDEX, NEXT = f"{ALIAS}-1", f"{ALIAS}-2"
NEW_CLIENT = library.__name__ == "elasticsearch" and library.__version__[0] >= 8


def connect(user):
    options = {"basic_auth" if NEW_CLIENT else "http_auth": tuple(user.split(":"))}
    if CA:
        options["ca_certs"] = CA
    return Client(URL, **options)


def index(client):
    answer = client.index(index=INDEX, id="1", body={"name": "red shirt", "price": 10}, refresh=True)
    assert answer["result"] == "created", answer


def bulk(client):
    actions = [{"_index": INDEX, "_id": str(n), "_source": {"name": f"blue hat {n}", "price": n}} for n in range(2, 302)]
    written, errors = helpers.bulk(client, actions, refresh=True)
    assert (written, errors) == (300, []), (written, errors)


def search(client):
    answer = client.search(index=INDEX, body={"query": {"match": {"name": "shirt"}}})
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == ["1"], answer


def scroll(client):
    found = helpers.scan(client, index=INDEX, query={"query": {"match": {"name": "hat"}}}, size=50)
    assert {hit["_id"] for hit in found} == {str(n) for n in range(2, 302)}


def count(client):
    assert client.count(index=INDEX)["count"] == 301


def alias_switch(client):
    client.indices.create(index=NEXT)
    client.indices.put_alias(index=INDEX, name=ALIAS)
    actions = [{"remove": {"index": INDEX, "alias": ALIAS}}, {"add": {"index": NEXT, "alias": ALIAS}}]
    client.indices.update_aliases(body={"actions": actions})
    assert list(client.indices.get_alias(name=ALIAS)) == [NEXT]


def delete(client):
    assert client.delete(index=INDEX, id="1", refresh=True)["result"] == "deleted"
    assert client.count(index=INDEX)["count"] == 300
    client.indices.delete(index=f"{INDEX},{NEXT}")
    assert not client.indices.exists(index=INDEX)


def wrong_password_raises_the_authentication_error(_client):
    for user in REFUSED:
        try:
            connect(user).count(index=INDEX)
        except library.exceptions.AuthenticationException as error:
            status = error.meta.status if NEW_CLIENT else error.status_code
            assert status == 401, f"{user}: {status}"
            continue
        raise AssertionError(f"{user} was admitted")


TESTS = [index, bulk, search, scroll, count, alias_switch, delete, wrong_password_raises_the_authentication_error]


def main():
    warnings.simplefilter("ignore")
    print(f"1..{len(TESTS)}")
    client, failed = connect(USER), False
    for test in TESTS:
        try:
            test(client)
            print("ok", test.__name__)
        except Exception as error:  # whatever it is, it fails this test and not the others
            failed = True
            print(f"not ok {test.__name__}: {type(error).__name__}: {error}")
    client.indices.delete(index=f"{INDEX},{NEXT}", ignore_unavailable=True)
    sys.exit(failed)


main()
