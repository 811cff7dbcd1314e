import { useDebouncedCallback } from "@mantine/hooks";
import { useLocation, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { fits } from "../../search.js";
import { useMayChange } from "../../user.js";
import { ConsoleClient } from "./console-client.js";
import { useApplication } from "./frame.js";
import { PublishPanel } from "./publish-panel.js";
import { SubscribePanel } from "./subscribe-panel.js";

/** What was filled in, which the URL keeps: the names are those of the version before. */
export interface ConsoleForm {
  pubChannelType: string;
  pubChannelPath: string;
  pubPayloadInput: string;
  subChannelType: string;
  subChannelPath: string;
  presenceIdInput: string;
  presenceDataInput: string;
  start: string;
  since: string;
  filter: string;
  /** "data" or "frame" of each event. */
  show: string;
}

declare module "@tanstack/react-router" {
  interface HistoryState {
    /** What is too long for the URL. It outlives a reload, but is in no copy of the address. */
    form?: Partial<ConsoleForm>;
  }
}

export type ChangeForm = (change: Partial<ConsoleForm>) => void;

const blank: ConsoleForm = {
  pubChannelType: "public",
  pubChannelPath: "",
  pubPayloadInput: "",
  subChannelType: "public",
  subChannelPath: "",
  presenceIdInput: "",
  presenceDataInput: "",
  start: "now",
  since: "",
  filter: "",
  show: "data",
};

/** Publish to channels of the application, and see what comes. */
export function Console() {
  const { id } = useApplication();
  const mayChange = useMayChange();
  const [form, change] = useForm(id);
  const client = useClient(id);
  if (client === null) {
    return null;
  }
  return (
    <div className="pp-console">
      {mayChange && <PublishPanel client={client} form={form} change={change} />}
      <SubscribePanel client={client} form={form} change={change} />
    </div>
  );
}

/** The form, as the URL and what goes with it have it at first, and into which it is written back. */
function useForm(id: string): [ConsoleForm, ChangeForm] {
  const search = useSearch({ from: "/application/$id/console" });
  const { form: long } = useLocation().state;
  const navigate = useNavigate();
  const [form, setForm] = useState<ConsoleForm>(() => ({ ...blank, ...search, ...long }));
  const keep = useDebouncedCallback((form: ConsoleForm) => {
    const changed = Object.entries(form).filter(([name, value]) => value !== blank[name as keyof ConsoleForm]);
    void navigate({
      to: "/application/$id/console",
      params: { id },
      search: Object.fromEntries(changed),
      state: { form: Object.fromEntries(changed.filter(([, value]) => !fits(value))) },
      replace: true,
    });
  }, 300);
  const change: ChangeForm = (change) => {
    const next = { ...form, ...change };
    setForm(next);
    keep(next);
  };
  return [form, change];
}

/** A client for as long as the page is there. */
function useClient(id: string): ConsoleClient | null {
  const [client, setClient] = useState<ConsoleClient | null>(null);
  useEffect(() => {
    const made = new ConsoleClient(id);
    setClient(made);
    return () => made.close();
  }, [id]);
  return client;
}
