import * as Radix from "@radix-ui/react-popover";
import { useQuery } from "@tanstack/react-query";
import { History, RotateCcw } from "lucide-react";
import { useState } from "react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { useExplained } from "@/ui/states";
import { type Entry, history } from "../api";
import { statusTexts } from "../parts/StatusIcon";
import { outbox } from "../saving/session";
import { type State, type Version, versionsOf } from "../versions";
import styles from "./HistoryPopover.module.css";

const texts = defineTexts(
  {
    history: "History",
    found: "Found by the model",
    drawn: "Drawn",
    class: (name: string) => `Class: ${name}`,
    shape: "Shape changed",
    unchanged: "Restored",
    someone: "somebody without a name",
    now: "now",
    restore: "Restore",
    restoreOf: (revision: string) => `Restore revision ${revision}`,
    unsaved: "This object is not saved yet.",
  },
  {
    history: "履歴",
    found: "モデルが検出",
    drawn: "描画",
    class: (name: string) => `クラス：${name}`,
    shape: "形状を変更",
    unchanged: "復元",
    someone: "名前なし",
    now: "現在",
    restore: "復元",
    restoreOf: (revision: string) => `リビジョン ${revision} を復元`,
    unsaved: "この物体はまだ保存されていません。",
  },
);

interface Props {
  readonly entry: Entry;
  readonly onRestore: (entry: Entry, former: State) => void;
}

/** Who did what to an object and when, with a way back. */
export function HistoryPopover(props: Props) {
  const t = useTexts(texts);
  const [isOpen, setIsOpen] = useState(false);
  return (
    <Radix.Root open={isOpen} onOpenChange={setIsOpen}>
      <Radix.Trigger asChild>
        <Button look="quiet" aria-label={t.history} icon={<History />} />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className={styles["popover"]} side="top" align="end" sideOffset={8} collisionPadding={8} aria-label={t.history}>
          <h2>{t.history}</h2>
          <Versions {...props} onDone={() => setIsOpen(false)} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Versions({ entry, onRestore, onDone }: Props & { readonly onDone: () => void }) {
  const t = useTexts(texts);
  const explained = useExplained();
  const id = outbox.serverId(entry.id);
  const former = useQuery({
    queryKey: ["annotations", "history", id, entry.revision],
    queryFn: ({ signal }) => history(id ?? "", signal),
    enabled: id !== null,
  });
  if (id === null) return <p>{t.unsaved}</p>;
  if (former.isError) return <p role="alert">{explained(former.error).text}</p>;
  const restore = ({ state }: Version) => {
    onRestore(entry, state);
    onDone();
  };
  return (
    <ol className={styles["list"]}>
      {former.isSuccess && versionsOf(entry, former.data).map((version) => <Item key={version.revision} version={version} onRestore={restore} />)}
    </ol>
  );
}

function Item({ version, onRestore }: { readonly version: Version; readonly onRestore: (version: Version) => void }) {
  const t = useTexts(texts);
  const statuses = useTexts(statusTexts);
  const { date, number } = useFormats();
  const said = version.changes.map((change) => {
    if (change === "class") return t.class(version.state.class_name);
    if (change === "found" || change === "drawn" || change === "shape") return t[change];
    return statuses[change];
  });
  const who = version.changes.includes("found") ? null : (version.by ?? t.someone);
  return (
    <li className={styles["item"]}>
      <div className={styles["what"]}>
        <p>{said.length > 0 ? said.join(", ") : t.unchanged}</p>
        <p className={styles["who"]}>{[who, version.at_s === null ? null : date(version.at_s)].filter((part) => part !== null).join(" · ")}</p>
      </div>
      {version.isCurrent ? (
        <span className={styles["now"]}>{t.now}</span>
      ) : (
        <Button aria-label={t.restoreOf(number(version.revision))} icon={<RotateCcw />} onClick={() => onRestore(version)}>
          {t.restore}
        </Button>
      )}
    </li>
  );
}
