export default function AnnotatePage() {
  return <h1>AnnotatePage</h1>;
}
