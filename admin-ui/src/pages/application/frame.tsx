import { Alert } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useParams } from "@tanstack/react-router";
import { createContext, use, useEffect, useRef } from "react";
import { RequestError } from "../../api/problem.js";
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
  const path = useLocation({ select: ({ pathname }) => pathname.split("/").at(-1) });
  const tab = tabs.find(([, known]) => known === path)?.[0] ?? "Info";
  if (query.error instanceof RequestError && query.error.status === 404) {
    return <NoApplication id={id} />;
  }
  return (
    <Loaded query={query}>
      {(app) => (
        <ApplicationContext value={app}>
          <Page
            title={`${tab} · ${app.name}`}
            heading={
              <>
                {app.name} <span className="pp-title-id">({app.id})</span>
              </>
            }
          >
            <TabLinks id={id} current={tab} />
            {app.settings.suspended && (
              <Alert color="orange" title="This application is suspended">
                Every publish and every subscription is refused until it is resumed, under Settings on its{" "}
                <Link to="/application/$id/info" params={{ id }} className="pp-link">
                  Info
                </Link>{" "}
                page.
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

/** The pages of the application. On a small screen they scroll, and the one that is open is in sight. */
function TabLinks({ id, current }: { id: string; current: string }) {
  const place = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is another link then.
  useEffect(() => {
    const tab = place.current?.querySelector("[aria-current]");
    // Not scrollIntoView(), which would scroll the page as well.
    if (place.current && tab instanceof HTMLElement) {
      place.current.scrollLeft = tab.offsetLeft - (place.current.clientWidth - tab.offsetWidth) / 2;
    }
  }, [current]);
  return (
    <nav aria-label="Application" className="pp-tabs" ref={place}>
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
  );
}

function NoApplication({ id }: { id: string }) {
  return (
    <Page title="No such application">
      <p>
        There is no application <code>{id}</code>, or you are not one of its admins.
      </p>
      <Link to="/" className="pp-link">
        To the applications
      </Link>
    </Page>
  );
}
