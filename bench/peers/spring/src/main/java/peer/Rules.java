package peer;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/** The rules of an item. */
final class Rules {
    private static final Set<String> CATEGORIES =
            Set.of("DEFAULT", "BILL", "BILL_PAY", "NOTICE", "CONTRACT", "REPORT");
    private static final Pattern INVISIBLE =
            Pattern.compile("[\\s\\u3164\\u2800\\u00ad\\u200b-\\u200f\\u2060-\\u2064\\ufeff]*");
    private static final Pattern CONTROL =
            Pattern.compile("[\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]");
    private static final Pattern CONTROL_IN_TEXT =
            Pattern.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]");
    private static final Pattern NUMBER = Pattern.compile("[0-9]{10,11}");
    private static final Pattern BIRTHDAY = Pattern.compile("[0-9]{8}");
    private static final Pattern PRINTABLE = Pattern.compile("[\\x21-\\x7e]{1,100}");
    private static final Pattern TAKEN =
            Pattern.compile("(^|&)(token|document_binder_uuid|external_document_uuid)(=|&|$)");

    private Rules() {}

    /** The members of {@code item} that break a rule. */
    static List<String> broken(JsonNode item) {
        var wrong = new ArrayList<String>();
        JsonNode receiver = item.path("receiver");
        JsonNode property = item.path("property");
        rule(wrong, isText(item.path("title"), 40, CONTROL), "title");
        JsonNode seconds = item.path("read_expired_sec");
        rule(wrong, seconds.isIntegralNumber() && seconds.asLong() >= 1 && seconds.asLong() <= 99_999_999,
                "read_expired_sec");
        for (JsonNode category : item.path("common_categories")) {
            rule(wrong, CATEGORIES.contains(category.asText().toUpperCase(Locale.ROOT)), "common_categories");
        }
        rule(wrong, NUMBER.matcher(receiver.path("phone_number").asText()).matches(), "receiver.phone_number");
        rule(wrong, isText(receiver.path("name"), 20, CONTROL), "receiver.name");
        rule(wrong, isBirthday(receiver.path("birthday").asText()), "receiver.birthday");
        rule(wrong, isLink(property.path("link").asText()), "property.link");
        rule(wrong, isText(property.path("cs_number"), 20, CONTROL), "property.cs_number");
        rule(wrong, isText(property.path("cs_name"), 10, CONTROL), "property.cs_name");
        JsonNode payload = property.path("payload");
        rule(wrong, payload.isMissingNode() || payload.isTextual() && length(payload.asText()) <= 200,
                "property.payload");
        JsonNode message = property.path("message");
        rule(wrong, message.isMissingNode() || isText(message, 500, CONTROL_IN_TEXT), "property.message");
        rule(wrong, isText(property.path("external_document_uuid"), 40, CONTROL),
                "property.external_document_uuid");
        return wrong;
    }

    private static void rule(List<String> wrong, boolean holds, String member) {
        if (!holds) {
            wrong.add(member);
        }
    }

    private static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    private static boolean isText(JsonNode value, int most, Pattern control) {
        if (!value.isTextual()) {
            return false;
        }
        String text = value.asText();
        return length(text) <= most && !INVISIBLE.matcher(text).matches() && !control.matcher(text).find();
    }

    private static boolean isLink(String text) {
        if (!PRINTABLE.matcher(text).matches()) {
            return false;
        }
        try {
            URI uri = new URI(text);
            boolean isHttp = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
            String query = uri.getRawQuery();
            return isHttp && uri.getHost() != null && uri.getUserInfo() == null
                    && (query == null || !TAKEN.matcher(query).find());
        } catch (URISyntaxException error) {
            return false;
        }
    }

    private static boolean isBirthday(String text) {
        if (!BIRTHDAY.matcher(text).matches()) {
            return false;
        }
        try {
            int year = Integer.parseInt(text.substring(0, 4));
            int month = Integer.parseInt(text.substring(4, 6));
            int day = Integer.parseInt(text.substring(6));
            return !LocalDate.of(year, month, day).isAfter(LocalDate.now());
        } catch (DateTimeException error) {
            return false;
        }
    }
}
