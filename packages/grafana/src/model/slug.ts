/** The readable part of a dashboard's address: `IoT sensors` becomes `iot-sensors`. */
export function slugOf(title: string): string {
  const slug = title
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, '-')
    .replaceAll(/^-+|-+$/g, '')
  return slug || 'dashboard'
}
