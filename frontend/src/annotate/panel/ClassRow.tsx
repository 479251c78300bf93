import { CheckCheck, ChevronDown, ChevronRight, Ellipsis, Eye, EyeOff, Film, FolderCheck, X } from "lucide-react";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import type { Entry, Status } from "../api";
import type { ClassGroup } from "../objects";
import { Menu } from "../parts/Menu";
import { StatusIcon } from "../parts/StatusIcon";
import { useView } from "../viewState";
import styles from "./ClassRow.module.css";

const texts = defineTexts(
  {
    acceptAll: (name: string) => `Accept all shown of ${name}`,
    more: (name: string) => `More for ${name}`,
    acceptVideo: "Accept those from this score in the video…",
    acceptProject: "Accept those from this score in the project…",
    rejectAll: "Reject the proposals shown here",
    hide: "Hide or show in the picture",
    counts: (accepted: string, proposed: string) => `${accepted} accepted, ${proposed} proposed`,
  },
  {
    acceptAll: (name: string) => `表示中の ${name} をすべて承認`,
    more: (name: string) => `${name} のその他の操作`,
    acceptVideo: "この動画でスコア下限以上を承認…",
    acceptProject: "プロジェクト全体でスコア下限以上を承認…",
    rejectAll: "ここに表示中の候補を却下",
    hide: "画像上の表示切替",
    counts: (accepted: string, proposed: string) => `承認済み ${accepted} 件、未判定 ${proposed} 件`,
  },
);

interface Props {
  readonly group: ClassGroup;
  readonly isOpen: boolean;
  /** Its place among the classes, from 0; the first nine have a key. */
  readonly place: number;
  readonly colour: string;
  readonly onToggle: () => void;
  readonly onDecide: (entries: readonly Entry[], status: Status) => void;
  readonly onDecideFar: (group: ClassGroup, where: "video" | "project") => void;
}

/** A class of the frame: its counts, and what can be done to all of it. */
export function ClassRow({ group, isOpen, place, colour, onToggle, onDecide, onDecideFar }: Props) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const { className, shown, nAccepted, nProposed } = group;
  const open = shown.filter(({ status }) => status === "proposed");
  const hidden = useView((view) => view.hidden);
  const toggleHidden = useView((view) => view.toggleHidden);
  const isHidden = shown.length > 0 && shown.every(({ id }) => hidden.has(id));
  const Chevron = isOpen ? ChevronDown : ChevronRight;
  const items = [
    { label: t.acceptVideo, icon: <Film aria-hidden />, onSelect: () => onDecideFar(group, "video") },
    { label: t.acceptProject, icon: <FolderCheck aria-hidden />, onSelect: () => onDecideFar(group, "project") },
    { label: t.rejectAll, icon: <X aria-hidden />, isDisabled: open.length === 0, onSelect: () => onDecide(open, "rejected") },
    { label: t.hide, icon: isHidden ? <Eye aria-hidden /> : <EyeOff aria-hidden />, onSelect: () => toggleHidden(shown.map(({ id }) => id)) },
  ];
  return (
    <div className={styles["class"]}>
      <button type="button" className={styles["name"]} aria-expanded={isOpen} title={className} onClick={onToggle}>
        <Chevron aria-hidden />
        <span className={styles["swatch"]} style={{ background: colour }} aria-hidden />
        <span className={styles["text"]}>{className}</span>
        {place >= 0 && place < 9 && <kbd aria-hidden>{place + 1}</kbd>}
        <span className="visually-hidden">{t.counts(number(nAccepted), number(nProposed))}</span>
      </button>
      <span className={styles["counts"]} aria-hidden>
        {nAccepted > 0 && (
          <>
            <StatusIcon status="accepted" />
            {number(nAccepted)}
          </>
        )}
        {nProposed > 0 && (
          <>
            <StatusIcon status="proposed" />
            {number(nProposed)}
          </>
        )}
      </span>
      <Button look="quiet" aria-label={t.acceptAll(className)} disabled={open.length === 0} icon={<CheckCheck />} onClick={() => onDecide(open, "accepted")} />
      <Menu items={items}>
        <Button look="quiet" aria-label={t.more(className)} icon={<Ellipsis />} />
      </Menu>
    </div>
  );
}
