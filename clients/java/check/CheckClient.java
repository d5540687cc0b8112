import java.util.Arrays;
import java.util.List;
import kr.seoham.client.Document;
import kr.seoham.client.EpochChangedException;
import kr.seoham.client.Event;
import kr.seoham.client.EventPage;
import kr.seoham.client.EventReader;
import kr.seoham.client.SendResult;
import kr.seoham.client.SeohamClient;
import kr.seoham.client.SeohamException;
import kr.seoham.client.Status;
import kr.seoham.client.VerifiedToken;

/**
 * Makes every call of the client against a sandbox: {@code java CheckClient API BULK TOKEN CONTRACT send} prints the ids
 * that were accepted; {@code … read BINDER ONE_TIME_TOKEN} verifies and reads;
 * {@code … follow BINDER} reads the feed until that document is withdrawn, which it does itself.
 */
public final class CheckClient {
    public static void main(String[] args) throws Exception {
        SeohamClient client = new SeohamClient(args[0], args[1], args[2], args[3]);
        if (args[4].equals("send")) {
            send(client);
            refuse(args);
        } else if (args[4].equals("read")) {
            read(client, args[5], args[6]);
        } else {
            follow(client, args[5]);
        }
    }

    static Document document(String phoneNumber, String id) {
        return Document.toPhone("2026년 \"자동차세\"\\고지서", phoneNumber, "서함시험", "19900101")
            .link("https://tax.example.kr/notice?year=2026")
            .customerService("02-000-0000", "세무과")
            .externalId(id)
            .openForSeconds(2_592_000)
            .message("납부기한은 12월 31일입니다.\n감사합니다.")
            .payload("탭\t따옴표\"역슬래시\\")
            .category("BILL_PAY");
    }

    static void send(SeohamClient client) throws Exception {
        // The second is refused, and a request with the last ones is refused or its answer lost at first: the client
        // repeats it under its key, and nothing is there twice.
        List<Document> documents = Arrays.asList(
            document("01000000001", "J-1"), document("01000000002", "J-2"), document("01000000008", "J-3"),
            document("01000000009", "J-4"), document("01000000010", "J-5"));
        List<SendResult> results = client.send(documents, "java-check-1");
        check(results.get(0).isAccepted() && results.get(0).externalId().equals("J-1"), "the first is accepted");
        check(results.get(1).errorCode().equals("FORBIDDEN") && !results.get(1).errorMessage().isEmpty(), "the second refuses");
        check(results.get(4).isAccepted(), "the lost answer was found again");
        List<SendResult> again = client.send(documents, "java-check-1");
        check(again.get(0).binder().equals(results.get(0).binder()), "the same key, the same id");

        String one = client.sendOne(document("01000000001", "J-6"), "java-check-2");
        String ci = client.sendOne(
            Document.toCi("안내", "SANDBOX-CI-1").link("https://tax.example.kr/").customerService("02-000-0000", "세무과")
                .openUntil(4_000_000_000L).hash("h"), "java-check-3");
        check(ci.startsWith("BIN-"), "by ci");
        List<Status> statuses = client.statuses(Arrays.asList(one, "BIN-00000000000000000000000000000000"));
        check(statuses.get(0).binder().equals(one) && statuses.get(0).sentAt() > 1_700_000_000L, "its status");
        check(statuses.get(0).payload().equals("탭\t따옴표\"역슬래시\\"), "the payload comes back unchanged");
        check(statuses.get(1).status() == null, "an unknown document has none");
        System.out.println(one);
    }

    static void refuse(String[] args) throws Exception {
        SeohamClient stranger = new SeohamClient(args[0], args[1], "00000000000000000000000000000000", args[3]);
        try {
            stranger.status("BIN-00000000000000000000000000000000");
            check(false, "a wrong token is let in");
        } catch (SeohamException refused) {
            check(refused.status() == 401 && refused.code().equals("UNAUTHORIZED"), "401 of a GET");
        }
        try {
            stranger.sendOne(document("01000000001", "J-7"), "java-check-4");
            check(false, "a wrong token is let in");
        } catch (SeohamException refused) {
            check(refused.status() == 401 && refused.code().equals("UNAUTHORIZED"), "401 of a POST");
        }
        SeohamClient client = new SeohamClient(args[0], args[1], args[2], args[3]);
        try {
            client.sendOne(Document.toCi("", "SANDBOX-CI-1"), "java-check-5");
            check(false, "a document without anything is accepted");
        } catch (SeohamException refused) {
            check(refused.status() == 400 && refused.code().equals("INVALID_VALUE"), "400");
        }
    }

    static void read(SeohamClient client, String binder, String token) throws Exception {
        VerifiedToken verified = client.verify(binder, token);
        check(verified.externalId().equals("J-6") && verified.usedAt() != null && verified.authenticatedAt() != null, "verified");
        try {
            client.verify(binder, token);
            check(false, "a token counts twice");
        } catch (SeohamException used) {
            check(used.status() == 400, "used");
        }
        client.reportRead(binder);
        client.reportRead(binder);
        Status status = client.status(binder);
        check(status.status().equals("READ") && status.readAt() != null && status.tokenUsedAt() != null, "READ");
        check(status.receivedAt() != null && status.authenticatedAt() != null, "its times");
    }

    static void follow(SeohamClient client, String binder) throws Exception {
        EventReader reader = new EventReader(client, 0, 0);
        long seq = 0;
        boolean isWithdrawn = false;
        while (!isWithdrawn) {
            EventPage page = reader.next(25);
            check(reader.next(0).events().get(0).seq() == page.events().get(0).seq(), "the same until it was processed");
            reader.processed(page);
            for (Event event : page.events()) {
                seq += 1;
                check(event.seq() == seq && event.at() > 1_700_000_000L, "no number is missing");
                if (binder.equals(event.binder()) && event.type().equals("document.accepted")) {
                    check(event.externalId().equals("J-8") && event.status().status().equals("SENT"), "accepted");
                    client.withdraw(binder);
                    client.withdraw(binder);
                }
                isWithdrawn |= binder.equals(event.binder()) && event.type().equals("document.withdrawn");
            }
            check(reader.through() == page.through() && page.through() == seq, "the position");
        }
        for (Event event : new EventReader(client, seq, reader.epoch()).next(0).events()) {
            check(event.type().startsWith("document.noti"), "what the messenger reports may still come");
        }
        try {
            new EventReader(client, 1, reader.epoch() + 1).next(0);
            check(false, "another epoch is read");
        } catch (EpochChangedException changed) {
            check(changed.to() == reader.epoch(), "the epoch");
        }
        System.out.println(seq);
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
