import { Dialog } from "@/ui/Dialog";

export default function SettingsDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog open onOpenChange={onClose} title="Settings">
      …
    </Dialog>
  );
}
