import { CircleCheck, CircleDashed, CircleX } from "lucide-react";
import { defineTexts } from "@/i18n";
import type { Status } from "../api";
import styles from "./StatusIcon.module.css";

export const statusTexts = defineTexts(
  { proposed: "Proposed", accepted: "Accepted", rejected: "Rejected" },
  { proposed: "未判定", accepted: "承認済み", rejected: "却下" },
);

const ICONS = { proposed: CircleDashed, accepted: CircleCheck, rejected: CircleX } as const;

/** A status by its shape and its colour; what is beside it says its name. */
export function StatusIcon({ status }: { readonly status: Status }) {
  const Icon = ICONS[status];
  return <Icon className={[styles["icon"], styles[status]].join(" ")} aria-hidden />;
}
