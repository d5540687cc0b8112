package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.springframework.http.ResponseEntity;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

/** The bulk send. */
@RestController
public class Bulk {
    private static final String DOCUMENTS =
            "INSERT INTO documents (document_id, institution_id, person_id, external_id, title, message, link,"
                    + " cs_number, cs_name, payload, hash, deadline_at, sent_at, received_at)"
                    + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    private static final String DELIVERIES = "INSERT INTO deliveries (document_id, institution_id) VALUES (?, ?)";
    private static final ThreadLocal<SecureRandom> RANDOM = ThreadLocal.withInitial(SecureRandom::new);

    private final JdbcTemplate database;
    private final TransactionTemplate transaction;

    Bulk(JdbcTemplate database, TransactionTemplate transaction) {
        this.database = database;
        this.transaction = transaction;
    }

    private record Person(UUID id, String birthday, boolean member) {}

    private record Document(UUID id, Person person, JsonNode item) {}

    @PostMapping("/v1/documents/bulk")
    ResponseEntity<Object> bulk(
            @RequestHeader(value = "Authorization", defaultValue = "") String authorization,
            @RequestHeader(value = "Contract-Uuid", defaultValue = "") String contract,
            @RequestBody JsonNode body) {
        String token = authorization.startsWith("Bearer ") ? authorization.substring(7) : authorization;
        List<UUID> callers = database.queryForList(
                "SELECT institution_id FROM institutions WHERE access_token = ? AND contract_uuid = ?",
                UUID.class, token, contract);
        if (callers.isEmpty()) {
            return ResponseEntity.status(401).body(error("UNAUTHORIZED", "no valid access token"));
        }
        UUID institution = callers.get(0);
        JsonNode items = body.path("documents");
        if (!items.isArray() || items.isEmpty() || items.size() > 100) {
            return ResponseEntity.badRequest().body(error("INVALID_VALUE", "documents: 1 to 100"));
        }
        var wrong = new ArrayList<List<String>>();
        var numbers = new ArrayList<String>();
        for (JsonNode item : items) {
            List<String> broken = Rules.broken(item);
            wrong.add(broken);
            if (broken.isEmpty()) {
                numbers.add(item.path("receiver").path("phone_number").asText());
            }
        }
        Map<String, Person> people = people(numbers);
        long now = System.currentTimeMillis() / 1000;
        var results = new ArrayList<Map<String, Object>>();
        var documents = new ArrayList<Document>();
        for (int i = 0; i < items.size(); i++) {
            JsonNode item = items.get(i);
            if (!wrong.get(i).isEmpty()) {
                results.add(refused(item, "INVALID_VALUE", String.join(", ", wrong.get(i))));
                continue;
            }
            JsonNode receiver = item.path("receiver");
            Person person = people.get(receiver.path("phone_number").asText());
            if (person == null || !person.birthday().equals(receiver.path("birthday").asText())) {
                results.add(refused(item, "NOT_FOUND", "no person matches the receiver"));
                continue;
            }
            UUID id = newId();
            documents.add(new Document(id, person, item));
            results.add(Map.of(
                    "external_document_uuid", external(item),
                    "document_binder_uuid", "BIN-" + id.toString().replace("-", "")));
        }
        if (!documents.isEmpty()) {
            transaction.executeWithoutResult(status -> write(institution, documents, now));
        }
        return ResponseEntity.ok(Map.of("documents", results));
    }

    private Map<String, Person> people(List<String> numbers) {
        var people = new HashMap<String, Person>();
        database.query(
                connection -> {
                    PreparedStatement statement = connection.prepareStatement(
                            "SELECT phone_number, person_id, birthday, member FROM people WHERE phone_number = ANY(?)");
                    statement.setArray(1, connection.createArrayOf("text", numbers.toArray()));
                    return statement;
                },
                row -> {
                    people.put(row.getString(1),
                            new Person(row.getObject(2, UUID.class), row.getString(3), row.getBoolean(4)));
                });
        return people;
    }

    private void write(UUID institution, List<Document> documents, long now) {
        database.batchUpdate(DOCUMENTS, documents, documents.size(), (statement, document) -> {
            JsonNode item = document.item();
            JsonNode property = item.path("property");
            statement.setObject(1, document.id());
            statement.setObject(2, institution);
            statement.setObject(3, document.person().id());
            statement.setString(4, external(item));
            statement.setString(5, item.path("title").asText());
            setText(statement, 6, property.path("message"));
            statement.setString(7, property.path("link").asText());
            statement.setString(8, property.path("cs_number").asText());
            statement.setString(9, property.path("cs_name").asText());
            setText(statement, 10, property.path("payload"));
            setText(statement, 11, item.path("hash"));
            statement.setLong(12, now + item.path("read_expired_sec").asLong());
            statement.setLong(13, now);
            if (document.person().member()) {
                statement.setLong(14, now);
            } else {
                statement.setNull(14, Types.BIGINT);
            }
        });
        database.batchUpdate(DELIVERIES, documents, documents.size(), (statement, document) -> {
            statement.setObject(1, document.id());
            statement.setObject(2, institution);
        });
    }

    private static void setText(PreparedStatement statement, int index, JsonNode value) throws SQLException {
        statement.setString(index, value.isTextual() ? value.asText() : null);
    }

    private static String external(JsonNode item) {
        return item.path("property").path("external_document_uuid").asText();
    }

    private static Map<String, Object> refused(JsonNode item, String code, String text) {
        return Map.of("external_document_uuid", external(item), "error_code", code, "error_message", text);
    }

    private static Map<String, Object> error(String code, String text) {
        return Map.of("error_code", code, "error_message", text);
    }

    /** A UUIDv7. */
    private static UUID newId() {
        byte[] random = new byte[10];
        RANDOM.get().nextBytes(random);
        ByteBuffer bits = ByteBuffer.allocate(16);
        bits.putLong(System.currentTimeMillis() << 16);
        bits.position(6);
        bits.put(random);
        bits.put(6, (byte) (bits.get(6) & 0x0f | 0x70));
        bits.put(8, (byte) (bits.get(8) & 0x3f | 0x80));
        return new UUID(bits.getLong(0), bits.getLong(8));
    }
}
