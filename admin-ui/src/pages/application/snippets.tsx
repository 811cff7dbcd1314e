import { Tabs, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Application } from "../../api/schema.js";
import { Copy } from "../../parts/copy.js";
import { Section } from "../../parts/page.js";
import { type Snippet, snippets } from "./snippet-texts.js";

/** Ready-made code, with the application's own values. */
export function Snippets({ app }: { app: Application }) {
  const key = app.keys.find((key) => key.status === "active" && key.purpose !== "web console")?.id;
  const texts = snippets(new URL("..", document.baseURI).href.replace(/\/$/, ""), app.id, key ?? "KEY_ID");
  return (
    <Section title="Use it" flush>
      <Tabs defaultValue={texts[0]?.name ?? null}>
        <Tabs.List aria-label="Languages">
          {texts.map(({ name }) => (
            <Tabs.Tab key={name} value={name}>
              {name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {texts.map((snippet) => (
          <Tabs.Panel key={snippet.name} value={snippet.name} className="pp-snippet">
            <div>
              <Text size="sm" c="dimmed" mb="xs">
                <About snippet={snippet} app={app} hasKey={key !== undefined} />
              </Text>
              <pre className="pp-json">{snippet.text}</pre>
            </div>
            <Copy value={snippet.text} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Section>
  );
}

/** What a snippet does and needs. */
function About({ snippet, app, hasKey }: { snippet: Snippet; app: Application; hasKey: boolean }) {
  if (!snippet.secret) {
    return "Subscribes to a public channel, which needs no key, and logs what the others publish to it.";
  }
  const keys = (
    <Link to="/application/$id/keys" params={{ id: app.id }} className="pp-link">
      {hasKey ? "key" : "Make a key"}
    </Link>
  );
  return hasKey ? (
    <>
      Publishes a message. Put the {keys}'s secret into the environment first: <code>export KEY_SECRET=…</code>
    </>
  ) : (
    <>
      Publishes a message. {keys} first; its ID takes the place of KEY_ID, and its secret goes into the environment:{" "}
      <code>export KEY_SECRET=…</code>
    </>
  );
}
