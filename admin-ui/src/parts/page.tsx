import { Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

interface PageProps {
  title: string;
  /** What stands over the page, if it is not just the title. */
  heading?: ReactNode;
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A page with its heading, and what can be done on it. */
export function Page(props: PageProps) {
  useDocumentTitle(props.title);
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end" wrap="wrap" className="pp-page-head">
        <div>
          <Title order={1}>{props.heading ?? props.title}</Title>
          {props.about && (
            <Text size="sm" c="dimmed" component="div">
              {props.about}
            </Text>
          )}
        </div>
        {props.actions && (
          <Group gap="xs" className="pp-page-actions">
            {props.actions}
          </Group>
        )}
      </Group>
      {props.children}
    </Stack>
  );
}

/** Names the page in the browser's tab and history. */
export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Pandapush`;
  }, [title]);
}

/** A part of a page, with a heading of its own. */
export function Section(props: { title: string; actions?: ReactNode; flush?: boolean; children: ReactNode }) {
  return (
    <section className="pp-section" aria-label={props.title}>
      <Group justify="space-between" className="pp-section-head" wrap="wrap" gap="xs">
        <Title order={2}>{props.title}</Title>
        {props.actions && (
          <Group gap="xs" className="pp-page-actions">
            {props.actions}
          </Group>
        )}
      </Group>
      <div className={props.flush ? undefined : "pp-section-body"}>{props.children}</div>
    </section>
  );
}
