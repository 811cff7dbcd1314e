import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Failure } from "./loaded.js";

interface Props {
  title: string;
  /** What will happen. */
  children: ReactNode;
  /** What the button says. */
  verb: string;
  /** What must be typed first, if anything. */
  type?: string;
  act: () => Promise<unknown>;
  close: () => void;
}

/** Asks before something that can't be undone is done. */
export function Confirm({ title, children, verb, type, act, close }: Props) {
  const [typed, setTyped] = useState("");
  const action = useMutation({ mutationFn: act, onSuccess: close });
  const ready = type === undefined || typed === type;
  return (
    <Modal opened onClose={close} title={title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.mutate();
        }}
      >
        <Stack>
          {children}
          {type !== undefined && (
            <TextInput
              label={`Type ${type} to confirm`}
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              autoComplete="off"
              data-autofocus
            />
          )}
          {action.isError && <Failure error={action.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" color="red.8" disabled={!ready} loading={action.isPending}>
              {verb}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
