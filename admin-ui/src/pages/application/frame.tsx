import { Alert } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useParams } from "@tanstack/react-router";
import { createContext, use } from "react";
import { applicationQuery } from "../../api/queries.js";
import type { Application } from "../../api/schema.js";
import { Loaded } from "../../parts/loaded.js";
import { Page } from "../../parts/page.js";

const tabs = [
  ["Info", "info"],
  ["Keys", "keys"],
  ["Console", "console"],
  ["Stream", "stream"],
  ["Live", "live"],
  ["Connections", "connections"],
  ["Explain", "explain"],
  ["Audit", "audit"],
] as const;

const ApplicationContext = createContext<Application | null>(null);

/** The application whose page is open. */
export function useApplication(): Application {
  const app = use(ApplicationContext);
  if (app === null) {
    throw new Error("used outside of an application's page");
  }
  return app;
}

/** What all pages of an application have in common. */
export function ApplicationFrame() {
  const { id } = useParams({ from: "/application/$id" });
  const query = useQuery(applicationQuery(id));
  return (
    <Loaded query={query}>
      {(app) => (
        <ApplicationContext value={app}>
          <Page title={`${app.name} (${app.id})`}>
            <nav aria-label="Application" className="pp-tabs">
              {tabs.map(([label, path]) => (
                <Link
                  key={path}
                  to={`/application/$id/${path}`}
                  params={{ id }}
                  className="pp-nav-link"
                  activeOptions={{ includeSearch: false }}
                >
                  {label}
                </Link>
              ))}
            </nav>
            {app.settings.suspended && (
              <Alert color="orange" title="This application is suspended">
                Everything it publishes and every subscription is refused, until it is resumed on its Info page.
              </Alert>
            )}
            {/* With the id as key, nothing of one application is left on the page of the next. */}
            <Outlet key={id} />
          </Page>
        </ApplicationContext>
      )}
    </Loaded>
  );
}
