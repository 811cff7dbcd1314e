import { createRootRoute, createRoute, createRouter, Link, Outlet, redirect } from "@tanstack/react-router";
import { ApplicationAudit } from "./pages/application/audit.js";
import { Connections } from "./pages/application/connections.js";
import { Console } from "./pages/application/console.js";
import { Explain } from "./pages/application/explain.js";
import { ApplicationFrame } from "./pages/application/frame.js";
import { InfoTab } from "./pages/application/info.js";
import { Keys } from "./pages/application/keys.js";
import { Live } from "./pages/application/live.js";
import { StreamTab } from "./pages/application/stream.js";
import { Applications } from "./pages/applications.js";
import { Audit } from "./pages/audit.js";
import { Configuration } from "./pages/configuration.js";
import { Nodes } from "./pages/nodes.js";
import { Service } from "./pages/service.js";
import { Page } from "./parts/page.js";
import { parseSearch, type Search, stringifySearch } from "./search.js";
import { Shell } from "./shell.js";

const root = createRootRoute({
  validateSearch: (search): Search => search as Search,
  component: () => (
    <Shell>
      <Outlet />
    </Shell>
  ),
  notFoundComponent: () => (
    <Page title="There is no such page">
      <Link to="/" className="pp-link">
        To the applications
      </Link>
    </Page>
  ),
});

const page = <Path extends string>(path: Path, component: () => React.ReactNode) =>
  createRoute({ getParentRoute: () => root, path, component });

const application = createRoute({
  getParentRoute: () => root,
  path: "/application/$id",
  component: ApplicationFrame,
});

const tab = <Path extends string>(path: Path, component: () => React.ReactNode) =>
  createRoute({ getParentRoute: () => application, path, component });

const routes = root.addChildren([
  page("/", Applications),
  page("/service", Service),
  page("/nodes", Nodes),
  page("/configuration", Configuration),
  page("/audit", Audit),
  application.addChildren([
    createRoute({
      getParentRoute: () => application,
      path: "/",
      beforeLoad: ({ params }) => {
        throw redirect({ to: "/application/$id/info", params, replace: true });
      },
    }),
    tab("/info", InfoTab),
    tab("/keys", Keys),
    tab("/console", Console),
    tab("/stream", StreamTab),
    tab("/live", Live),
    tab("/connections", Connections),
    tab("/explain", Explain),
    tab("/audit", ApplicationAudit),
  ]),
]);

export const router = createRouter({
  routeTree: routes,
  basepath: new URL(document.baseURI).pathname,
  parseSearch,
  stringifySearch,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
