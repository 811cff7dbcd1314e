import { Changes } from "../../parts/changes.js";
import { Section } from "../../parts/page.js";
import { useApplication } from "./frame.js";

/** Who changed what of the application. */
export function ApplicationAudit() {
  const { id } = useApplication();
  return (
    <Section title="Audit" flush>
      <Changes application={id} />
    </Section>
  );
}
