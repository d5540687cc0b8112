package kr.seoham.client;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** The members of an answer. Unknown ones are ignored, absent ones are null. */
final class Answer {
    private final Map<?, ?> members;

    Answer(Object value) {
        members = value instanceof Map ? (Map<?, ?>) value : Collections.emptyMap();
    }

    String text(String name) {
        Object value = members.get(name);
        return value instanceof String ? (String) value : null;
    }

    Long number(String name) {
        Object value = members.get(name);
        return value instanceof BigDecimal ? ((BigDecimal) value).longValue() : null;
    }

    boolean flag(String name) {
        return Boolean.TRUE.equals(members.get(name));
    }

    Answer object(String name) {
        return new Answer(members.get(name));
    }

    List<Answer> list(String name) {
        List<Answer> items = new ArrayList<>();
        Object value = members.get(name);
        if (value instanceof List) {
            for (Object item : (List<?>) value) {
                items.add(new Answer(item));
            }
        }
        return items;
    }
}
