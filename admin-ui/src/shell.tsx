import { Anchor, Button, Group, Menu, SegmentedControl, Text, useMantineColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, type LinkProps, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { infoQuery } from "./api/queries.js";
import type { Info } from "./api/schema.js";
import { Loaded } from "./parts/loaded.js";
import { InfoContext, useInfo, useSeesAll } from "./user.js";

/** What is around every page. */
export function Shell({ children }: { children: ReactNode }) {
  const info = useQuery(infoQuery);
  if (info.data === undefined) {
    return (
      <main className="pp-main">
        <Loaded query={info}>{() => null}</Loaded>
      </main>
    );
  }
  return (
    <Loaded query={info}>
      {(info) => (
        <InfoContext value={info}>
          <button type="button" className="pp-skip" onClick={skip}>
            Skip to the page
          </button>
          <Header />
          <main id="main" tabIndex={-1} className="pp-main">
            {children}
          </main>
          <Footer info={info} />
        </InfoContext>
      )}
    </Loaded>
  );
}

/** A link to "#main" would leave the page: its base is another address. */
function skip(): void {
  document.getElementById("main")?.focus();
}

function Header() {
  const info = useInfo();
  const seesAll = useSeesAll();
  const { id } = useParams({ strict: false });
  return (
    <header className="pp-header">
      <Link to="/" className="pp-brand">
        <img src="favicon.svg" alt="" width={24} height={24} /> Pandapush
      </Link>
      <nav aria-label="Main" className="pp-nav">
        <NavLink to="/" exact within={id !== undefined}>
          Applications
        </NavLink>
        {seesAll && <NavLink to="/service">Service</NavLink>}
        {seesAll && <NavLink to="/nodes">Nodes</NavLink>}
        {info.role === "root" && <NavLink to="/configuration">Configuration</NavLink>}
        <NavLink to="/audit">Audit</NavLink>
      </nav>
      <Group gap="sm" wrap="nowrap" className="pp-who">
        <Environments info={info} />
        <Text size="sm">
          <span className="pp-wide">Logged in as </span>
          <b>{info.username}</b>
          {info.role === "read-only" && " (read only)"}
        </Text>
        <Anchor href={`..${info.logout}`} size="sm">
          Logout
        </Anchor>
      </Group>
    </header>
  );
}

interface NavLinkProps {
  to: LinkProps["to"] & string;
  exact?: boolean;
  /** The page is one that is reached from there. */
  within?: boolean;
  children: string;
}

function NavLink({ to, exact = false, within = false, children }: NavLinkProps) {
  return (
    <Link
      to={to}
      className="pp-nav-link"
      activeOptions={{ exact, includeSearch: false }}
      {...(within ? { "aria-current": "true" as const } : {})}
    >
      {children}
    </Link>
  );
}

/** Where else there is a Pandapush. */
function Environments({ info }: { info: Info }) {
  if (info.environments.length === 0) {
    return null;
  }
  return (
    <Menu position="bottom-end" transitionProps={{ duration: 0 }}>
      <Menu.Target>
        <Button variant="default" size="compact-sm">
          {info.environment || "Environments"}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {info.environments.map(({ name, url }) => (
          <Menu.Item key={name} component="a" href={url} disabled={name === info.environment}>
            {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Footer({ info }: { info: Info }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <footer className="pp-footer">
      <Text size="xs" c="dimmed">
        Pandapush {info.release}
        {info.version && ` · release ${info.version}`}
      </Text>
      <SegmentedControl
        size="xs"
        aria-label="Colours"
        value={colorScheme}
        onChange={(chosen) => setColorScheme(chosen as typeof colorScheme)}
        data={[
          { value: "light", label: "Light" },
          { value: "dark", label: "Dark" },
          { value: "auto", label: "System" },
        ]}
      />
    </footer>
  );
}
