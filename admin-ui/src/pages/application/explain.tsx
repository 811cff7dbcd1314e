import { Stack } from "@mantine/core";
import { ExplainAccess } from "./explain-access.js";
import { ExplainDelivery } from "./explain-delivery.js";

/** Why something is allowed or not, and why a message arrived or did not. */
export function Explain() {
  return (
    <Stack>
      <ExplainAccess />
      <ExplainDelivery />
    </Stack>
  );
}
