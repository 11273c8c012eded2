/**
 * JSON as EventStoreDB writes it for itself: indented, and without the members that have the value of their type's
 * default.
 */
export function dotnetJson(value: unknown): Buffer {
  const isDefault = (member: unknown): boolean => member === null || member === 0 || member === false
  return Buffer.from(JSON.stringify(value, (_key, member) => (isDefault(member) ? undefined : member), 2))
}
