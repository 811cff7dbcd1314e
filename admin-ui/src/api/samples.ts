import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, apiURL, data } from "./client.js";
import { queryClient } from "./queries.js";
import type { ApplicationSample, ServiceSample } from "./schema.js";

/** How far back charts go: 15 minutes of a sample every five seconds. */
const maxSamples = 180;

/** Between two attempts to follow, when the server has refused one. */
const retryAfter = 5000;

interface Samples<Sample> {
  samples: Sample[];
}

/** Adds a sample, unless it is one that is there already, and lets go of what is too old. */
export function append<Sample extends { at: string }>(samples: Sample[], sample: Sample): Sample[] {
  const last = samples.at(-1);
  return last && last.at >= sample.at ? samples : [...samples, sample].slice(-maxSamples);
}

/**
 * Follows samples: the query's answer has those of the last 15 minutes, and every one that the server sends is added to it.
 * Returns whether they come.
 */
function useFollow<Sample extends { at: string }>(key: readonly string[], url: string): boolean {
  const [live, setLive] = useState(false);
  const name = key.join(" ");
  useEffect(() => {
    const queryKey = name.split(" ");
    let timer: ReturnType<typeof setTimeout> | undefined;
    let source: EventSource;
    const open = () => {
      source = new EventSource(url);
      source.addEventListener("open", () => {
        setLive(true);
        // What was missed meanwhile.
        void queryClient.invalidateQueries({ queryKey });
      });
      source.addEventListener("sample", (event) => {
        const sample = JSON.parse(event.data) as Sample;
        queryClient.setQueryData<Samples<Sample>>(
          queryKey,
          (known) => known && { ...known, samples: append(known.samples, sample) },
        );
      });
      source.addEventListener("error", () => {
        setLive(false);
        if (source.readyState === EventSource.CLOSED) {
          // Asked for once more, they say why not: an event stream can't.
          void queryClient.invalidateQueries({ queryKey });
          timer = setTimeout(open, retryAfter);
        }
      });
    };
    open();
    return () => {
      clearTimeout(timer);
      source.close();
    };
  }, [name, url]);
  return live;
}

/** The last 15 minutes of an application, and what comes. */
export function useApplicationSamples(id: string) {
  const queryKey = ["app", id, "stats"];
  const query = useQuery({
    queryKey,
    queryFn: () => data(api.GET("/application/{applicationId}/stats", { params: { path: { applicationId: id } } })),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const live = useFollow<ApplicationSample>(queryKey, `${apiURL}/application/${id}/stats/events`);
  return { query, live };
}

/** The last 15 minutes of the whole service, and what comes. */
export function useServiceSamples() {
  const queryKey = ["stats"];
  const query = useQuery({ queryKey, queryFn: () => data(api.GET("/stats")), staleTime: Number.POSITIVE_INFINITY });
  const live = useFollow<ServiceSample>(queryKey, `${apiURL}/stats/events`);
  return { query, live };
}
