package kr.seoham.client;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** A page of the feed. */
public final class EventPage {
    private final List<Event> events;
    private final long through;
    private final boolean hasMore;
    private final long epoch;

    EventPage(Answer answer) throws IOException {
        List<Event> read = new ArrayList<>();
        for (Answer item : answer.list("events")) {
            Event event = new Event(item);
            if (!event.isWhole()) {
                throw new IOException("the answer has an event without a number, a type or a time");
            }
            read.add(event);
        }
        Long through = answer.number("through");
        Long epoch = answer.number("epoch");
        if (through == null || epoch == null) {
            throw new IOException("the answer is no page of events");
        }
        this.events = Collections.unmodifiableList(read);
        this.through = through;
        this.hasMore = answer.flag("more");
        this.epoch = epoch;
    }

    /** The events, ascending. */
    public List<Event> events() {
        return events;
    }

    /** Everything up to this number was read, events of other types included: where to go on. */
    public long through() {
        return through;
    }

    /** Whether there is more already. */
    public boolean hasMore() {
        return hasMore;
    }

    /** Numbers mean the same as long as this is the same: it changes when the platform is restored from a backup. */
    public long epoch() {
        return epoch;
    }
}
