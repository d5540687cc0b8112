"""A bulk send on FastAPI with hand-written SQL."""

import datetime
import os
import re
import time
import uuid
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response

CATEGORIES = {"DEFAULT", "BILL", "BILL_PAY", "NOTICE", "CONTRACT", "REPORT"}
INVISIBLE = re.compile(r"[\s\u3164\u2800\u00ad\u200b-\u200f\u2060-\u2064\ufeff]*")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NUMBER = re.compile(r"[0-9]{10,11}")
PRINTABLE = re.compile(r"[\x21-\x7e]{1,100}")
TAKEN = {"token", "document_binder_uuid", "external_document_uuid"}

DOCUMENTS = """
INSERT INTO documents (document_id, institution_id, person_id, external_id, title, message, link, cs_number, cs_name,
    payload, hash, deadline_at, sent_at, received_at)
SELECT d.id, $14, d.person, d.external, d.title, d.message, d.link, d.number, d.name, d.payload, d.hash, d.deadline,
    d.sent, d.received
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::bigint[], $12::bigint[], $13::bigint[])
  AS d (id, person, external, title, message, link, number, name, payload, hash, deadline, sent, received)
"""
DELIVERIES = "INSERT INTO deliveries (document_id, institution_id) SELECT id, $2 FROM unnest($1::uuid[]) AS d (id)"


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.pool = await asyncpg.create_pool(min_size=4, max_size=4)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


def is_text(value, most, control=CONTROL):
    return (
        isinstance(value, str)
        and len(value) <= most
        and not INVISIBLE.fullmatch(value)
        and not control.search(value)
    )


def is_link(value):
    if not isinstance(value, str) or not PRINTABLE.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    is_http = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    return bool(is_http) and not TAKEN & parse_qs(parts.query, keep_blank_values=True).keys()


def is_birthday(value):
    if not isinstance(value, str) or len(value) != 8 or not value.isdecimal():
        return False
    try:
        return datetime.date(int(value[:4]), int(value[4:6]), int(value[6:])) <= datetime.date.today()
    except ValueError:
        return False


def broken(item):
    """The broken rules of an item."""
    receiver, prop = item.get("receiver") or {}, item.get("property") or {}
    seconds, payload, message = item.get("read_expired_sec"), prop.get("payload"), prop.get("message")
    rules = {
        "title": is_text(item.get("title"), 40),
        "read_expired_sec": isinstance(seconds, int) and 1 <= seconds <= 99_999_999,
        "common_categories": all(str(c).upper() in CATEGORIES for c in item.get("common_categories") or []),
        "receiver.phone_number": bool(NUMBER.fullmatch(str(receiver.get("phone_number")))),
        "receiver.name": is_text(receiver.get("name"), 20),
        "receiver.birthday": is_birthday(receiver.get("birthday")),
        "property.link": is_link(prop.get("link")),
        "property.cs_number": is_text(prop.get("cs_number"), 20),
        "property.cs_name": is_text(prop.get("cs_name"), 10),
        "property.payload": payload is None or (isinstance(payload, str) and len(payload) <= 200),
        "property.message": message is None or is_text(message, 500, CONTROL_IN_TEXT),
        "property.external_document_uuid": is_text(prop.get("external_document_uuid"), 40),
    }
    return [member for member, holds in rules.items() if not holds]


def new_id():
    """A UUIDv7."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    return uuid.UUID(int=value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def answer(body, status=200):
    return Response(orjson.dumps(body), status, media_type="application/json")


def refused(item, code, text):
    external = (item.get("property") or {}).get("external_document_uuid")
    return {"external_document_uuid": external, "error_code": code, "error_message": text}


@app.post("/v1/documents/bulk")
async def bulk(request: Request):
    pool = request.app.state.pool
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    institution = await pool.fetchval(
        "SELECT institution_id FROM institutions WHERE access_token = $1 AND contract_uuid = $2",
        token,
        request.headers.get("contract-uuid", ""),
    )
    if institution is None:
        return answer({"error_code": "UNAUTHORIZED", "error_message": "no valid access token"}, 401)
    try:
        items = orjson.loads(await request.body())["documents"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        items = None
    if not isinstance(items, list) or not 1 <= len(items) <= 100:
        return answer({"error_code": "INVALID_VALUE", "error_message": "documents: 1 to 100"}, 400)
    wrong = [broken(item) for item in items]
    results = [refused(item, "INVALID_VALUE", ", ".join(w)) if w else None for item, w in zip(items, wrong)]
    numbers = [item["receiver"]["phone_number"] for item, result in zip(items, results) if result is None]
    found = await pool.fetch(
        "SELECT phone_number, person_id, birthday, member FROM people WHERE phone_number = ANY($1::text[])", numbers
    )
    people = {row["phone_number"]: row for row in found}
    now, rows = int(time.time()), []
    for i, item in enumerate(items):
        if results[i] is not None:
            continue
        receiver, prop = item["receiver"], item["property"]
        person = people.get(receiver["phone_number"])
        if person is None or person["birthday"] != receiver["birthday"]:
            results[i] = refused(item, "NOT_FOUND", "no person matches the receiver")
            continue
        document, external = new_id(), prop["external_document_uuid"]
        received = now if person["member"] else None
        rows.append(
            (document, person["person_id"], external, item["title"], prop.get("message"), prop["link"],
             prop["cs_number"], prop["cs_name"], prop.get("payload"), item.get("hash"),
             now + item["read_expired_sec"], now, received)
        )
        results[i] = {"external_document_uuid": external, "document_binder_uuid": f"BIN-{document.hex}"}
    if rows:
        columns = [list(column) for column in zip(*rows)]
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(DOCUMENTS, *columns, institution)
            await connection.execute(DELIVERIES, columns[0], institution)
    return answer({"documents": results})
