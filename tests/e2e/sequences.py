"""What Magento, ElasticPress, Grafana, Beats and Logstash send, each with only its role in docs/roles.md.

Run by scripts/e2e.sh, which sets ESAUTH_PLAIN_URL and ESAUTH_OWNER ("user:password"), who may do everything. The other
users are named like their roles, with the password "secret".
"""

import base64
import gzip
import http.client
import json
import os
import sys
from urllib.parse import urlsplit

FRONT = urlsplit(os.environ["ESAUTH_PLAIN_URL"])
OWNER = os.environ["ESAUTH_OWNER"]
OLD_TYPES = os.environ.get("ESAUTH_KIND") == "elasticsearch-7"
# The integration-test distribution of Elasticsearch 8 and 9 lacks the module that answers GET /.
ROOT = (200, 405)
JSON, LINES = "application/json", "application/x-ndjson"


def lines(*parts):
    return "".join(json.dumps(part) + "\n" for part in parts)


def ask(user, method, target, content=None, media_type=JSON, compress=False):
    headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}
    body = None
    if content is not None:
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        headers["Content-Type"] = media_type
    if compress:
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    connection = http.client.HTTPConnection(FRONT.hostname, FRONT.port, timeout=120)
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


class User:
    def __init__(self, name):
        self.login = f"{name}:secret"

    def does(self, method, target, *content, status=(200, 201), **options):
        got, text = ask(self.login, method, target, *content, **options)
        assert got in ((status,) if isinstance(status, int) else status), f"{method} {target}: {got} {text[:300]}"
        assert '"errors":true' not in text, text[:500]
        return text

    def is_refused(self, method, target, *content, **options):
        text = self.does(method, target, *content, status=403, **options)
        assert method == "HEAD" or "security_exception" in text, text


def magento():
    shop, old, new, alias = User("magento"), "magento2_e2e_1_v1", "magento2_e2e_1_v2", "magento2_e2e_1"
    settings = {"settings": {"index": {"number_of_replicas": 0, "mapping": {"total_fields": {"limit": 2000}}}}}
    shop.does("HEAD", "/", status=ROOT)
    for index in [old, new]:
        shop.does("HEAD", f"/{index}", status=404)
        shop.does("PUT", f"/{index}", settings)
        mapping = {"properties": {"name": {"type": "text"}, "price_0": {"type": "float"}}}
        if OLD_TYPES:
            shop.does("PUT", f"/{index}/document/_mapping?include_type_name=true", {"document": mapping})
        else:
            shop.does("PUT", f"/{index}/_mapping", mapping)
    shop.does("PUT", f"/{old}/_settings", {"index": {"mapping.total_fields.limit": 3000}})
    assert '"count":0' in shop.does("GET", f"/{old}/_stats/docs")
    # To Elasticsearch 7, Magento names a type.
    kind, within = ({"_type": "document"}, "/document") if OLD_TYPES else ({}, "")
    documents = [part for number in range(100)
                 for part in ({"index": {"_id": str(number), "_index": old, **kind}}, {"name": f"bag {number}", "price_0": number})]
    shop.does("POST", f"/{old}{within}/_bulk?refresh=true", lines(*documents))
    shop.does("POST", "/_bulk?refresh=true", lines({"delete": {"_id": "1", "_index": old, **kind}}))
    shop.does("HEAD", f"/_alias/{alias}", status=404)
    shop.does("POST", "/_aliases", {"actions": [{"add": {"alias": alias, "index": old}}]})
    shop.does("HEAD", f"/_alias/{alias}")
    shop.does("HEAD", f"/{old}/_alias/{alias}")
    assert old in shop.does("GET", f"/_alias/{alias}")
    shop.does("POST", "/_aliases", {"actions": [{"remove": {"alias": alias, "index": old}}, {"add": {"alias": alias, "index": new}}]})
    shop.does("GET", f"/{alias}/_mapping")
    query = {"from": 0, "size": 20, "stored_fields": "_id", "sort": [{"_score": {"order": "desc"}}],
             "query": {"bool": {"must": [{"match": {"name": {"query": "bag"}}}]}},
             "aggregations": {"price_bucket": {"histogram": {"field": "price_0", "interval": 10, "min_doc_count": 1}}}}
    assert '"hits"' in shop.does("POST", f"/{alias}{within}/_search?track_total_hits=true", query)
    shop.does("DELETE", f"/{old}")
    shop.is_refused("HEAD", "/wordpress-e2e")
    shop.is_refused("POST", "/_aliases", {"actions": [{"add": {"alias": "magento2_x", "index": "wordpress-e2e"}}]})
    shop.is_refused("POST", f"/{new}{within}/_bulk", lines({"delete": {"_id": "1", "_index": "wordpress-e2e"}}))
    shop.does("DELETE", f"/{new}")


def elasticpress():
    site, index = User("elasticpress"), "wordpress-e2e-post-1"
    site.does("GET", "/_nodes/plugins")
    site.does("GET", "/", status=ROOT)
    site.does("GET", "/_cluster/stats")
    site.does("PUT", f"/{index}", {"settings": {"index.number_of_replicas": 0}, "mappings": {"properties": {"post_title": {"type": "text"}}}})
    site.does("HEAD", f"/{index}")
    site.does("GET", f"/{index}")
    site.does("POST", f"/{index}/_doc/1", {"ID": 1, "post_title": "hello"})
    site.does("POST", f"/{index}/_bulk", lines({"index": {"_id": "2"}}, {"ID": 2, "post_title": "world"}))
    site.does("POST", "/_refresh")
    site.does("GET", f"/{index}/_doc/1")
    assert '"found":true' in site.does("POST", f"/{index}/_mget", {"ids": ["1", "2"]})
    query = {"from": 0, "size": 10, "query": {"function_score": {"query": {"multi_match": {"query": "hello", "fields": ["post_title"]}}}}}
    assert "hello" in site.does("POST", f"/{index}/_search", query)
    for target in ["/_stats", f"/{index}/_stats", "/_cat/indices?format=json"]:
        text = site.does("GET", target)
        assert index in text and "foreign-e2e" not in text, text[:500]
    site.does("GET", f"/{index}/_settings?flat_settings=true")
    site.does("GET", f"/{index}/_mapping")
    site.does("POST", f"/{index}/_close")
    site.does("PUT", f"/{index}/_settings", {"index": {"max_result_window": 20000}})
    site.does("POST", f"/{index}/_open")
    site.does("GET", "/_ingest/pipeline/wordpress-e2e", status=404)
    site.does("POST", "/_aliases", {"actions": [{"add": {"index": index, "alias": "wordpress-e2e-global"}}]})
    site.does("DELETE", f"/{index}/_doc/1")
    site.is_refused("DELETE", "/*")
    site.is_refused("POST", "/foreign-e2e/_search", {})
    site.does("DELETE", f"/{index}")


def grafana():
    reader = User("grafana")
    reader.does("GET", "/", status=ROOT)
    reader.does("GET", "/_cluster/health?wait_for_status=yellow")
    reader.does("GET", "/logs-e2e-*/_mapping")
    reader.does("GET", "/logs-e2e-1/_mapping")
    reader.does("GET", "/logs-e2e-1/_field_caps?fields=*")
    search = {"size": 0, "query": {"bool": {"filter": [{"range": {"@timestamp": {"gte": 0, "lte": 1999999999999, "format": "epoch_millis"}}}]}},
              "aggs": {"2": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "min_doc_count": 0}}}}
    for index in ["logs-e2e-*", ["logs-e2e-1", "logs-e2e-2"], "logs-e2e-1,logs-e2e-2"]:
        header = {"ignore_unavailable": True, "index": index, "search_type": "query_then_fetch"}
        text = reader.does("POST", "/_msearch?max_concurrent_shard_requests=5", lines(header, search) * 2, media_type=LINES)
        assert '"doc_count":1' in text, text
    header = {"index": "foreign-e2e"}
    reader.is_refused("POST", "/_msearch?max_concurrent_shard_requests=5", lines(header, search), media_type=LINES)
    reader.is_refused("POST", "/logs-e2e-1/_doc", {"a": 1})
    reader.is_refused("DELETE", "/logs-e2e-1")


def beats():
    shipper, index = User("beats"), "filebeat-8.19.8-e2e"
    filtered = "filter_path=errors%2Citems.%2A.error%2Citems.%2A.status"
    shipper.does("GET", "/", status=ROOT)
    shipper.does("GET", "/_license", status=(200, 400, 404, 405))  # integration-test distributions have none
    shipper.does("PUT", "/_index_template/filebeat-e2e", {"index_patterns": ["filebeat-*"], "template": {"settings": {"number_of_replicas": 0}}})
    shipper.does("GET", "/_index_template/filebeat-e2e")
    for kind in [JSON + "; charset=UTF-8", LINES]:
        body = lines(*[{"create": {"_index": index}}, {"@timestamp": "2024-01-01T00:00:00Z", "message": "x"}] * 50)
        assert '"status":201' in shipper.does("POST", f"/_bulk?{filtered}", body, media_type=kind, compress=True)
    shipper.is_refused("POST", f"/_bulk?{filtered}", lines({"index": {"_index": index, "_id": "1"}}, {"a": 1}), compress=True)
    shipper.is_refused("POST", f"/_bulk?{filtered}", lines({"create": {"_index": "foreign-e2e"}}, {"a": 1}), compress=True)
    shipper.is_refused("GET", f"/{index}/_search")


def logstash():
    shipper, index = User("logstash"), "logstash-e2e-2024.01.01"
    shipper.does("HEAD", "/", status=ROOT)
    shipper.does("GET", "/", status=ROOT)
    shipper.does("GET", "/_license", status=(200, 400, 404, 405))
    shipper.does("GET", "/_nodes/http")
    shipper.does("HEAD", "/_template/logstash-e2e", status=404)
    shipper.does("PUT", "/_index_template/logstash-e2e", {"index_patterns": ["logstash-e2e*"], "template": {"settings": {"number_of_replicas": 0}}})
    shipper.does("HEAD", "/_index_template/logstash-e2e")
    bulk = "/_bulk?filter_path=errors,items.*.error,items.*.status"
    items = [{"index": {"_id": None, "_index": index, "routing": None}}, {"@timestamp": "2024-01-01T00:00:00Z", "message": "x"}]
    assert '"status":201' in shipper.does("POST", bulk, lines(*items * 50), compress=True)
    shipper.is_refused("POST", bulk, lines({"index": {"_index": "foreign-e2e"}}, {"a": 1}), compress=True)
    shipper.is_refused("GET", f"/{index}/_search")
    shipper.is_refused("DELETE", f"/{index}")


SEQUENCES = [magento, elasticpress, grafana, beats, logstash]
INDICES = ["magento2_e2e_*", "wordpress-*", "logs-e2e-*", "filebeat-*", "logstash-*", "foreign-e2e"]


def clean_up():
    for target in INDICES + ["_index_template/filebeat-e2e", "_index_template/logstash-e2e"]:
        ask(OWNER, "DELETE", f"/{target}")


def main():
    clean_up()
    for index in ["logs-e2e-1", "foreign-e2e"]:
        ask(OWNER, "PUT", f"/{index}/_doc/1?refresh=true", {"@timestamp": "2024-01-01T00:00:00Z"})
    print(f"1..{len(SEQUENCES)}")
    failed = False
    for sequence in SEQUENCES:
        try:
            sequence()
            print("ok", sequence.__name__)
        except Exception as error:  # whatever it is, it fails this test and not the others
            failed = True
            print(f"not ok {sequence.__name__}: {type(error).__name__}: {error}")
    clean_up()
    sys.exit(failed)


main()
