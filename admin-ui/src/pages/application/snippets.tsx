import { Tabs } from "@mantine/core";
import type { Application } from "../../api/schema.js";
import { Copy } from "../../parts/copy.js";
import { Section } from "../../parts/page.js";
import { snippets } from "./snippet-texts.js";

/** Ready-made code, with the application's own values. */
export function Snippets({ app }: { app: Application }) {
  const key = app.keys.find((key) => key.status === "active" && key.purpose !== "web console")?.id ?? "KEY_ID";
  const texts = snippets(new URL("..", document.baseURI).href.replace(/\/$/, ""), app.id, key);
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
        {texts.map(({ name, text }) => (
          <Tabs.Panel key={name} value={name} className="pp-snippet">
            <pre className="pp-json">{text}</pre>
            <Copy value={text} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Section>
  );
}
