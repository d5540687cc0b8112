// A bulk send on Fastify with hand-written SQL.
import { randomFillSync } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

const pool = new pg.Pool({ max: 8 });
const app = Fastify({ bodyLimit: 2 * 1024 * 1024 });
const CATEGORIES = new Set(['DEFAULT', 'BILL', 'BILL_PAY', 'NOTICE', 'CONTRACT', 'REPORT']);
const INVISIBLE = /^[\s\u3164\u2800\u00ad\u200b-\u200f\u2060-\u2064\ufeff]*$/u;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;
const CONTROL_IN_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;

function isText(value, most, control = CONTROL) {
  return typeof value === 'string' && !INVISIBLE.test(value) && [...value].length <= most && !control.test(value);
}

function isLink(value) {
  if (typeof value !== 'string' || value.length > 100 || !/^[\x21-\x7e]+$/.test(value) || !URL.canParse(value)) return false;
  const url = new URL(value);
  const taken = ['token', 'document_binder_uuid', 'external_document_uuid'];
  return /^https?:$/.test(url.protocol) && !url.username && !taken.some((name) => url.searchParams.has(name));
}

function isBirthday(value) {
  if (typeof value !== 'string' || !/^\d{8}$/.test(value)) return false;
  const date = new Date(`${value.slice(0, 4)}-${value.slice(4, 6)}-${value.slice(6)}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value.slice(0, 4)) && date <= new Date();
}

/** The broken rules of an item. */
function broken(item) {
  const wrong = [];
  const rule = (holds, member) => { if (!holds) wrong.push(member); };
  const receiver = item?.receiver ?? {};
  const property = item?.property ?? {};
  rule(isText(item?.title, 40), 'title');
  rule(Number.isInteger(item?.read_expired_sec) && item.read_expired_sec >= 1 && item.read_expired_sec <= 99999999, 'read_expired_sec');
  rule((item?.common_categories ?? []).every((category) => CATEGORIES.has(String(category).toUpperCase())), 'common_categories');
  rule(typeof receiver.phone_number === 'string' && /^\d{10,11}$/.test(receiver.phone_number), 'receiver.phone_number');
  rule(isText(receiver.name, 20), 'receiver.name');
  rule(isBirthday(receiver.birthday), 'receiver.birthday');
  rule(isLink(property.link), 'property.link');
  rule(isText(property.cs_number, 20), 'property.cs_number');
  rule(isText(property.cs_name, 10), 'property.cs_name');
  rule(property.payload === undefined || (typeof property.payload === 'string' && [...property.payload].length <= 200), 'property.payload');
  rule(property.message === undefined || isText(property.message, 500, CONTROL_IN_TEXT), 'property.message');
  rule(isText(property.external_document_uuid, 40), 'property.external_document_uuid');
  return wrong;
}

/** A UUIDv7. */
function newId() {
  const bytes = randomFillSync(Buffer.alloc(16));
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex');
}

const refused = (item, error_code, error_message) =>
  ({ external_document_uuid: item?.property?.external_document_uuid ?? null, error_code, error_message });

app.post('/v1/documents/bulk', async (request, reply) => {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const caller = await pool.query({
    name: 'caller',
    text: 'SELECT institution_id FROM institutions WHERE access_token = $1 AND contract_uuid = $2',
    values: [token, request.headers['contract-uuid']],
  });
  if (caller.rowCount === 0) return reply.code(401).send({ error_code: 'UNAUTHORIZED', error_message: 'no valid access token' });
  const institution = caller.rows[0].institution_id;
  const items = request.body?.documents;
  if (!Array.isArray(items) || items.length < 1 || items.length > 100) {
    return reply.code(400).send({ error_code: 'INVALID_VALUE', error_message: 'documents: 1 to 100' });
  }
  const results = items.map((item) => {
    const wrong = broken(item);
    return wrong.length > 0 ? refused(item, 'INVALID_VALUE', wrong.join(', ')) : null;
  });
  const numbers = items.filter((_, i) => results[i] === null).map((item) => item.receiver.phone_number);
  const found = await pool.query({
    name: 'people',
    text: 'SELECT phone_number, person_id, birthday, member FROM people WHERE phone_number = ANY($1)',
    values: [numbers],
  });
  const people = new Map(found.rows.map((row) => [row.phone_number, row]));
  const now = Math.floor(Date.now() / 1000);
  const columns = Array.from({ length: 13 }, () => []);
  items.forEach((item, i) => {
    if (results[i] !== null) return;
    const person = people.get(item.receiver.phone_number);
    if (person === undefined || person.birthday !== item.receiver.birthday) {
      results[i] = refused(item, 'NOT_FOUND', 'no person matches the receiver');
      return;
    }
    const id = newId();
    const { property } = item;
    const row = [id, person.person_id, property.external_document_uuid, item.title, property.message ?? null, property.link,
      property.cs_number, property.cs_name, property.payload ?? null, item.hash ?? null, now + item.read_expired_sec, now,
      person.member ? now : null];
    row.forEach((value, column) => columns[column].push(value));
    results[i] = { external_document_uuid: property.external_document_uuid, document_binder_uuid: `BIN-${id}` };
  });
  if (columns[0].length > 0) {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query({
        name: 'documents',
        text: `INSERT INTO documents (document_id, institution_id, person_id, external_id, title, message, link, cs_number,
                 cs_name, payload, hash, deadline_at, sent_at, received_at)
               SELECT d.id, $14, d.person, d.external, d.title, d.message, d.link, d.number, d.name, d.payload, d.hash,
                 d.deadline, d.sent, d.received
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                 $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[])
                 AS d (id, person, external, title, message, link, number, name, payload, hash, deadline, sent, received)`,
        values: [...columns, institution],
      });
      await client.query({
        name: 'deliveries',
        text: 'INSERT INTO deliveries (document_id, institution_id) SELECT id, $2 FROM unnest($1::uuid[]) AS d (id)',
        values: [columns[0], institution],
      });
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }
  return { documents: results };
});

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
