import java.io.IOException;
import java.util.EnumSet;
import javax.servlet.DispatcherType;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import kr.seoham.servlet.SeohamFilter;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.FilterHolder;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/** An institution's page behind the filter: {@code java CheckPage PLATFORM TOKEN_FILE CONTRACT} prints its port. */
public final class CheckPage extends HttpServlet {
    private static final long serialVersionUID = 1L;

    public static void main(String[] args) throws Exception {
        Server server = new Server();
        ServerConnector connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        server.addConnector(connector);
        ServletContextHandler context = new ServletContextHandler(ServletContextHandler.SESSIONS);
        FilterHolder filter = new FilterHolder(SeohamFilter.class);
        filter.setInitParameter("platform", args[0]);
        filter.setInitParameter("tokenFile", args[1]);
        filter.setInitParameter("contract", args[2]);
        context.addFilter(filter, "/notice", EnumSet.of(DispatcherType.REQUEST));
        context.addServlet(new ServletHolder(new CheckPage()), "/notice");
        server.setHandler(context);
        server.start();
        System.out.println(connector.getLocalPort());
        // Ends with whoever started it.
        while (System.in.read() >= 0) {
            continue;
        }
        server.stop();
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setContentType("text/plain;charset=UTF-8");
        if (request.getParameter("fails") != null) {
            response.setStatus(500);
            return;
        }
        String binder = (String) request.getAttribute(SeohamFilter.BINDER);
        response.getWriter().write(binder + " " + request.getAttribute(SeohamFilter.EXTERNAL_ID) + " "
            + request.getAttribute(SeohamFilter.PAYLOAD));
    }
}
