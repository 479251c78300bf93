import { CircleCheck, CircleDashed, CircleX } from "lucide-react";
import { defineTexts, useTexts } from "@/i18n";
import type { Status } from "../api";
import styles from "./StatusIcon.module.css";

export const statusTexts = defineTexts(
  { proposed: "Proposed", accepted: "Accepted", rejected: "Rejected" },
  { proposed: "未判定", accepted: "承認済み", rejected: "却下" },
);

const ICONS = { proposed: CircleDashed, accepted: CircleCheck, rejected: CircleX } as const;

/** A status by its shape and its colour; its name is for those who see neither. */
export function StatusIcon({ status, label }: { readonly status: Status; readonly label?: string }) {
  const t = useTexts(statusTexts);
  const Icon = ICONS[status];
  return <Icon className={[styles["icon"], styles[status]].join(" ")} role="img" aria-label={label ?? t[status]} />;
}
