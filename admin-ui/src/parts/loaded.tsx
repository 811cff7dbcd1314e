import { Alert, Button, Group, Loader, Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { RequestError } from "../api/problem.js";

/** What a query found, once it has; until then that it is on its way, or why it failed and how to try again. */
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (found: T) => ReactNode }) {
  if (query.data !== undefined && !isGone(query.error)) {
    return (
      <>
        {query.isError && <Stale error={query.error} retry={() => void query.refetch()} />}
        {children(query.data)}
      </>
    );
  }
  if (query.isError) {
    return <Failure error={query.error} retry={() => void query.refetch()} />;
  }
  return (
    <Group p="md" gap="sm" role="status">
      <Loader size="sm" />
      <Text c="dimmed">Loading…</Text>
    </Group>
  );
}

/** Whether what was there before is not the user's to see any more. */
const isGone = (error: Error | null) => error instanceof RequestError && (error.status === 403 || error.status === 404);

const titles: Record<number, string> = {
  403: "You may not do that",
  404: "Not found",
};

/** Why something could not be had. */
export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const status = error instanceof RequestError ? error.status : 0;
  if (status === 401) {
    return (
      <Alert color="red" title="Your login has ended" role="alert">
        <Button size="xs" onClick={() => location.reload()}>
          Log in again
        </Button>
      </Alert>
    );
  }
  return (
    <Alert color="red" title={titles[status] ?? "That did not work"} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{error.message}</Text>
        {retry && (status === 0 || status === 408 || status === 429 || status >= 500) && (
          <Button size="xs" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** Says that what is shown is not the newest. A login that has ended leaves it there: it may be what somebody is typing. */
function Stale({ error, retry }: { error: Error; retry: () => void }) {
  if (error instanceof RequestError && error.status === 401) {
    return <Failure error={error} />;
  }
  return (
    <Alert color="yellow" mb="sm" role="status">
      <Group gap="sm">
        <Text size="sm">The server does not answer. This is what it said last.</Text>
        <Button size="compact-xs" variant="default" onClick={retry}>
          Try again
        </Button>
      </Group>
    </Alert>
  );
}

/** Says that there is nothing, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Stack align="center" gap={4} py="xl" px="md" role="status">
      <Text fw={600}>{title}</Text>
      {children && (
        <Text size="sm" c="dimmed" ta="center" maw={520} component="div">
          {children}
        </Text>
      )}
    </Stack>
  );
}
