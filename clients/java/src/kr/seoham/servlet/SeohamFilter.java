package kr.seoham.servlet;

import java.io.IOException;
import java.io.Serializable;
import java.io.UnsupportedEncodingException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.Pattern;
import javax.servlet.AsyncEvent;
import javax.servlet.AsyncListener;
import javax.servlet.Filter;
import javax.servlet.FilterChain;
import javax.servlet.FilterConfig;
import javax.servlet.ServletException;
import javax.servlet.ServletRequest;
import javax.servlet.ServletResponse;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import javax.servlet.http.HttpSession;
import kr.seoham.client.SeohamClient;
import kr.seoham.client.SeohamException;
import kr.seoham.client.VerifiedToken;

/**
 * Stands in front of the page that documents lead to: whoever brings a valid one-time token is let in, everybody else is
 * not, and the page, once it was shown, is reported as read.
 *
 * <p>Only a person's own navigation uses a token up; whatever may be a preview of a link is shown one button. A token counts
 * once. When it is verified, the session remembers the document, and the browser is sent to the same
 * address without the token, so that it stays in no history and in no {@code Referer}. The page finds the document's id,
 * the institution's own id and the payload in the request's attributes {@link #BINDER}, {@link #EXTERNAL_ID} and
 * {@link #PAYLOAD}.
 *
 * <p>What an institution must log itself is logged: each entry and each refusal (logger {@code kr.seoham.entry}), each
 * failed page, and, by the client, each exchange with the platform. Neither tokens nor personal values are.
 *
 * <p>Parameters of the filter: {@code platform}, the platform's api address; {@code tokenFile}, a file with the access
 * token; {@code contract}, {@code CON-…}. An application on {@code jakarta.servlet} replaces {@code javax} in the imports,
 * and nothing else.
 */
public final class SeohamFilter implements Filter {
    /** Request attribute: the document's id. */
    public static final String BINDER = "seoham.binder";
    /** Request attribute: the institution's own id of the document, if it was sent with one. */
    public static final String EXTERNAL_ID = "seoham.external_id";
    /** Request attribute: the payload, if it was sent with one. */
    public static final String PAYLOAD = "seoham.payload";

    private static final Logger ENTRY = Logger.getLogger("kr.seoham.entry");
    private static final String OF_SESSION = "seoham.document.";
    private static final Pattern BINDER_ID = Pattern.compile("BIN-[0-9a-f]{32}");
    private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9_-]{1,50}");

    /** What the button of our page adds to the query. */
    private static final String OPEN = "seoham_open";

    private final Entering entering = new Entering();
    private final Reporter reporter = new Reporter();
    private SeohamClient client;

    /** For a container, which then calls {@link #init}. */
    public SeohamFilter() {}

    /** For an application that makes its filters itself. */
    public SeohamFilter(SeohamClient client) {
        this.client = client;
    }

    @Override
    public void init(FilterConfig config) throws ServletException {
        if (client != null) {
            return;
        }
        String platform = parameter(config, "platform");
        String contract = parameter(config, "contract");
        try {
            byte[] token = Files.readAllBytes(Paths.get(parameter(config, "tokenFile")));
            // An editor may have put a mark before it.
            String text = new String(token, StandardCharsets.UTF_8).replace("\uFEFF", "");
            client = new SeohamClient(platform, platform, text, contract);
        } catch (IOException unreadable) {
            throw new ServletException("tokenFile cannot be read", unreadable);
        }
    }

    private static String parameter(FilterConfig config, String name) throws ServletException {
        String value = config.getInitParameter(name);
        if (value == null || value.isEmpty()) {
            throw new ServletException("the filter's parameter " + name + " is missing");
        }
        return value;
    }

    @Override
    public void doFilter(ServletRequest anyRequest, ServletResponse anyResponse, FilterChain chain)
            throws IOException, ServletException {
        HttpServletRequest request = (HttpServletRequest) anyRequest;
        HttpServletResponse response = (HttpServletResponse) anyResponse;
        response.setHeader("Cache-Control", "no-store");
        response.setHeader("Referrer-Policy", "no-referrer");
        // Of the address alone: the body of a form is the page's own.
        String binder = ofQuery(request, "document_binder_uuid");
        if (binder == null || !BINDER_ID.matcher(binder).matches()) {
            refuse(request, response, "-", "no document", Page.BY_THE_NOTICE);
            return;
        }
        String token = ofQuery(request, "token");
        boolean isButton = "POST".equals(request.getMethod()) && ofQuery(request, OPEN) != null;
        boolean isEntrance = "GET".equals(request.getMethod()) || isButton;
        if (token == null || !isEntrance && entered(request, binder) != null) {
            show(request, response, chain, binder);
        } else if ("GET".equals(request.getMethod())) {
            if (entered(request, binder) == null && !isOfPerson(request)) {
                String action = path(request) + "?" + request.getQueryString() + "&" + OPEN + "=1";
                write(response, Page.BUTTON, action);
            } else {
                enter(request, response, binder, token);
            }
        } else if (isButton && isOfOurPage(request)) {
            enter(request, response, binder, token);
        } else {
            response.setHeader("Allow", "GET, POST");
            response.sendError(HttpServletResponse.SC_METHOD_NOT_ALLOWED);
        }
    }

    /**
     * Whether a browser shows what a person asked for. What previews links, scans them or reads ahead must not use a token
     * up, and a browser that does not say is shown a button.
     */
    private static boolean isOfPerson(HttpServletRequest request) {
        return "navigate".equals(request.getHeader("Sec-Fetch-Mode"))
            && "document".equals(request.getHeader("Sec-Fetch-Dest"))
            && request.getHeader("Sec-Purpose") == null
            && request.getHeader("Purpose") == null;
    }

    /** Whether the button was pressed on our page, and not by another site. */
    private static boolean isOfOurPage(HttpServletRequest request) {
        String site = request.getHeader("Sec-Fetch-Site");
        return site == null || site.equals("same-origin") || site.equals("none");
    }

    @Override
    public void destroy() {
        reporter.close();
    }

    /** Verifies a token, and has the browser come back without it. */
    private void enter(HttpServletRequest request, HttpServletResponse response, String binder, String token)
            throws IOException {
        if (!TOKEN.matcher(token).matches()) {
            refuse(request, response, binder, "malformed token", Page.NOT_VALID);
            return;
        }
        try {
            VerifiedToken verified = entering.verify(client, binder, token, browser(request));
            HttpSession session = request.getSession(true);
            session.setAttribute(OF_SESSION + binder, new Entered(verified));
            // A session that somebody else chose must not become the recipient's.
            request.changeSessionId();
            ENTRY.log(Level.INFO, "entered: {0} from {1}", new Object[] {binder, request.getRemoteAddr()});
        } catch (SeohamException refused) {
            // The way back: whoever is in stays in.
            if (entered(request, binder) == null) {
                boolean isOfToken = refused.status() == 400 || refused.status() == 404;
                if (!isOfToken) {
                    ENTRY.log(Level.SEVERE, "the platform refuses: {0} {1}", new Object[] {refused.status(), refused.code()});
                }
                String why = refused.status() + " " + refused.code();
                refuse(request, response, binder, why, isOfToken ? Page.NOT_VALID : Page.LATER);
                return;
            }
        } catch (IOException lost) {
            if (entered(request, binder) == null) {
                refuse(request, response, binder, "no answer", Page.LATER);
                return;
            }
        }
        response.setStatus(HttpServletResponse.SC_SEE_OTHER);
        response.setHeader("Location", withoutToken(request));
    }

    /** Shows the page to whoever has entered, and reports it as read when it was shown. */
    private void show(HttpServletRequest request, HttpServletResponse response, FilterChain chain, String binder)
            throws IOException, ServletException {
        Entered entered = entered(request, binder);
        if (entered == null) {
            refuse(request, response, binder, "no session", Page.BY_THE_NOTICE);
            return;
        }
        request.setAttribute(BINDER, binder);
        request.setAttribute(EXTERNAL_ID, entered.externalId);
        request.setAttribute(PAYLOAD, entered.payload);
        try {
            chain.doFilter(request, response);
        } catch (IOException | ServletException | RuntimeException failed) {
            ENTRY.log(Level.WARNING, "the page failed: {0}: {1}", new Object[] {binder, failed.getClass().getName()});
            throw failed;
        }
        if (request.isAsyncStarted()) {
            request.getAsyncContext().addListener(new WhenComplete(() -> shown(request, response, binder, entered)));
        } else {
            shown(request, response, binder, entered);
        }
    }

    /** Has a page that was shown reported as read, beside the request: nobody waits for the platform. */
    private void shown(HttpServletRequest request, HttpServletResponse response, String binder, Entered entered) {
        int status = response.getStatus();
        if (status >= 400) {
            ENTRY.log(Level.WARNING, "the page failed: {0}: status {1}", new Object[] {binder, status});
        } else if (status == HttpServletResponse.SC_OK && "GET".equals(request.getMethod()) && entered.isOwed()) {
            reporter.report(client, binder);
        }
    }

    private static Entered entered(HttpServletRequest request, String binder) {
        HttpSession session = request.getSession(false);
        Object entered = session == null ? null : session.getAttribute(OF_SESSION + binder);
        return entered instanceof Entered ? (Entered) entered : null;
    }

    /** The address of the request without its token, as the browser wrote it. */
    private static String withoutToken(HttpServletRequest request) {
        StringBuilder query = new StringBuilder();
        for (String pair : pairs(request)) {
            String name = name(pair);
            if (!name.equals("token") && !name.equals(OPEN)) {
                query.append(query.length() == 0 ? "?" : "&").append(pair);
            }
        }
        return path(request) + query;
    }

    /** The path of the request; with two slashes at its beginning it would be another host. */
    private static String path(HttpServletRequest request) {
        return request.getRequestURI().replaceFirst("^[/\\\\]+", "/");
    }

    /** The last value of a name in the query; ours are added at its end. Null if it is not there. */
    private static String ofQuery(HttpServletRequest request, String wanted) {
        String found = null;
        for (String pair : pairs(request)) {
            if (name(pair).equals(wanted)) {
                found = decoded(pair.substring(Math.min(pair.length(), pair.indexOf('=') + 1)));
            }
        }
        return found;
    }

    private static String[] pairs(HttpServletRequest request) {
        String query = request.getQueryString();
        return query == null ? new String[0] : query.split("&");
    }

    private static String name(String pair) {
        int end = pair.indexOf('=');
        return decoded(end < 0 ? pair : pair.substring(0, end));
    }

    private static String decoded(String text) {
        try {
            return URLDecoder.decode(text, "UTF-8");
        } catch (UnsupportedEncodingException | IllegalArgumentException malformed) {
            return "";
        }
    }

    /** What tells one browser from another before it has a session. */
    private static String browser(HttpServletRequest request) {
        return request.getRemoteAddr() + "\n" + request.getHeader("User-Agent");
    }

    private static void refuse(
            HttpServletRequest request, HttpServletResponse response, String binder, String why, Page page)
            throws IOException {
        ENTRY.log(Level.INFO, "refused: {0} from {1}: {2}", new Object[] {binder, request.getRemoteAddr(), why});
        write(response, page, null);
    }

    private static void write(HttpServletResponse response, Page page, String action) throws IOException {
        response.setStatus(page.status);
        response.setContentType("text/html;charset=UTF-8");
        response.getWriter().write(page.html(action));
    }

    /** What somebody sees who is not let in. */
    private enum Page {
        BUTTON(200, "문서를 열 준비가 되었습니다", "안전을 위해 문서는 직접 누르셨을 때만 열립니다."),
        BY_THE_NOTICE(403, "문서함에서 다시 열어 주십시오", "이 페이지는 알림톡이나 문서함에서 본인 확인을 거쳐 열 수 있습니다."),
        NOT_VALID(403, "링크를 다시 열어 주십시오", "이 링크는 이미 사용되었거나 유효 시간이 지났습니다. 문서함에서 문서를 다시 열어 주십시오."),
        LATER(503, "잠시 후 다시 열어 주십시오", "지금은 본인 확인 결과를 받을 수 없습니다. 잠시 후 문서함에서 다시 열어 주십시오.");

        private final int status;
        private final String title;
        private final String text;

        Page(int status, String title, String text) {
            this.status = status;
            this.title = title;
            this.text = text;
        }

        private String html(String action) {
            return "<!doctype html><html lang=\"ko\"><meta charset=\"utf-8\">"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>" + title + "</title>"
                + "<body style=\"font:1.05rem/1.6 sans-serif;max-width:32rem;margin:4rem auto;padding:0 1.5rem;color:#1c2430\">"
                + "<h1 style=\"font-size:1.35rem\">" + title + "</h1><p>" + text + "</p>"
                + (action != null
                    ? "<form method=\"post\" action=\"" + escaped(action) + "\"><button style=\"font:inherit;font-weight:700;width:100%;min-height:3.25rem;"
                        + "border:0;border-radius:.75rem;background:#1f4fa3;color:#fff\">문서 열기</button></form>"
                    : "")
                + "</body></html>";
        }

        private static String escaped(String text) {
            return text.replace("&", "&amp;").replace("\"", "&quot;").replace("<", "&lt;").replace(">", "&gt;");
        }
    }

    /** A document that somebody has proved to be theirs. */
    private static final class Entered implements Serializable {
        private static final long serialVersionUID = 1L;
        private final String externalId;
        private final String payload;
        private boolean isOwed = true;

        Entered(VerifiedToken verified) {
            externalId = verified.externalId();
            payload = verified.payload();
        }

        /** Whether the read is still to be reported; from now on it is not. */
        synchronized boolean isOwed() {
            boolean was = isOwed;
            isOwed = false;
            return was;
        }
    }

    /** Does something when an answer that is written on another thread is whole. */
    private static final class WhenComplete implements AsyncListener {
        private final Runnable work;

        WhenComplete(Runnable work) {
            this.work = work;
        }

        @Override
        public void onComplete(AsyncEvent event) {
            work.run();
        }

        @Override
        public void onTimeout(AsyncEvent event) {}

        @Override
        public void onError(AsyncEvent event) {}

        @Override
        public void onStartAsync(AsyncEvent event) {
            event.getAsyncContext().addListener(this);
        }
    }
}
