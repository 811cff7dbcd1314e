import { Button, Group } from "@mantine/core";
import type { ReactNode } from "react";
import { Failure } from "./loaded.js";

interface Pages {
  error: Error | null;
  isFetchNextPageError: boolean;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage(): Promise<unknown>;
}

/** What stands below a list that comes in pages: a button for the next one, and why that did not come. */
export function More({ pages, children }: { pages: Pages; children: ReactNode }) {
  return (
    <>
      {pages.isFetchNextPageError && pages.error && <Failure error={pages.error} />}
      {pages.hasNextPage && (
        <Group justify="center" p="sm">
          <Button
            size="xs"
            variant="default"
            loading={pages.isFetchingNextPage}
            onClick={() => void pages.fetchNextPage()}
          >
            {children}
          </Button>
        </Group>
      )}
    </>
  );
}
