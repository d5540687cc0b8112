package kr.seoham.client;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** What the platform posted: a ping before the registration, or events in order. */
public final class WebhookDelivery {
    private final String id;
    private final boolean isPing;
    private final long epoch;
    private final List<Event> events;

    WebhookDelivery(String id, Answer body) {
        String type = body.text("type");
        isPing = "ping".equals(type);
        if (!isPing && !"events".equals(type)) {
            throw new IllegalArgumentException("no delivery");
        }
        Long epoch = body.number("epoch");
        List<Event> read = new ArrayList<>();
        for (Answer item : body.list("events")) {
            Event event = new Event(item);
            if (!event.isWhole()) {
                throw new IllegalArgumentException("an event without a number, a type or a time");
            }
            read.add(event);
        }
        this.id = id;
        this.epoch = epoch == null ? 0 : epoch;
        this.events = Collections.unmodifiableList(read);
    }

    /** The same whenever this delivery comes again, within an epoch. */
    public String id() {
        return id;
    }

    /** A try before the registration: answer with 2xx. */
    public boolean isPing() {
        return isPing;
    }

    /** In which the numbers mean these events. */
    public long epoch() {
        return epoch;
    }

    /** The events, ascending. */
    public List<Event> events() {
        return events;
    }
}
