/** Drawings of 16 by 16, one stroke width, in the colour of the text around them. */
const paths = {
  dashboards: 'M2.5 2.5h4.5v4.5h-4.5zM9 2.5h4.5v4.5h-4.5zM2.5 9h4.5v4.5h-4.5zM9 9h4.5v4.5h-4.5z',
  flow: 'M1.5 5.5c2-2 4-2 6.5 0s4.5 2 6.5 0M1.5 10.500c2-2 4-2 6.5 0s4.5 2 6.5 0',
  explore: 'M2 13.500h12M2.5 10.500l3.5-4 3 2.5 4.5-5.5',
  zookeeper: 'M8 2.500v4M3.5 13v-3.500a3 3 0 0 1 3-3h3a3 3 0 0 1 3 3v3.500M8 6.500v6.5',
  alerts:
    'M8 2a4 4 0 0 0-4 4c0 3.5-1.5 4.8-1.5 4.800h11s-1.5-1.3-1.5-4.800a4 4 0 0 0-4-4zM6.7 13.300a1.5 1.5 0 0 0 2.6 0',
  search: 'M7 2.500a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.3 10.300l3.4 3.4',
  clock: 'M8 2a6 6 0 1 1 0 12 6 6 0 0 1 0-12zM8 4.800v3.400l2.2 1.4',
  refresh: 'M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 2v3h-3',
  chevron: 'M4.5 6.500l3.5 3.5 3.5-3.5',
  right: 'M6 3.500l4.5 4.5-4.5 4.5',
  left: 'M10 3.500l-4.5 4.5 4.5 4.5',
  sun: 'M8 5.300a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.400zM8 1.500v1.500M8 13v1.500M1.5 8h1.500M13 8h1.500M3.4 3.400l1.1 1.100M11.5 11.500l1.1 1.100M3.4 12.600l1.1-1.100M11.5 4.500l1.1-1.1',
  moon: 'M13.5 9.500a5.8 5.8 0 0 1-7-7 5.8 5.8 0 1 0 7 7z',
  copy: 'M5.5 5.500h8v8h-8zM10.5 5.500v-3h-8v8h3',
  check: 'M3 8.500l3.3 3.3 6.7-7.3',
  close: 'M4 4l8 8M12 4l-8 8',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  expand: 'M2.5 6v-3.500h3.500M10 2.500h3.500v3.500M13.5 10v3.500h-3.500M6 13.500h-3.500v-3.5',
  shrink: 'M6 2.500v3.500h-3.500M13.5 6h-3.500v-3.500M10 13.500v-3.500h3.500M2.5 10h3.500v3.5',
  share: 'M8 9.500v-7.500M5.2 4.500l2.8-2.8 2.8 2.800M3 8v5.500h10v-5.5',
  plus: 'M8 3v10M3 8h10',
  filter: 'M2.5 4h11M4.5 8h7M6.5 12h3',
  warning: 'M8 2.200l6.2 11h-12.400zM8 6.500v3.200M8 11.600h.01',
  send: 'M14 2l-6 12-2-5.5-5.5-2zM14 2l-8 6.5',
  pause: 'M5.5 3.500v9M10.5 3.500v9',
  play: 'M5 3l8 5-8 5z',
  sensor:
    'M8 7a1 1 0 1 1 0 2 1 1 0 0 1 0-2zM5 5a4.2 4.2 0 0 0 0 6M11 5a4.2 4.2 0 0 1 0 6M3 3a7 7 0 0 0 0 10M13 3a7 7 0 0 1 0 10',
  topic: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  plug: 'M5.5 2v3.500M10.5 2v3.500M4 5.500h8v2.500a4 4 0 0 1-8 0zM8 12v2.5',
  table: 'M2.5 3h11v10h-11zM2.5 6.500h11M6.5 6.500v6.5',
  menu: 'M2.5 4.500h11M2.5 8h11M2.5 11.500h11',
  command: 'M3 4l4 4-4 4M8.5 12h4.5',
  download: 'M8 2v7.500M5.2 7l2.8 2.8 2.8-2.800M3 13.500h10',
  folder: 'M2 4.500v8h12v-6.500h-6l-1.5-2h-4.500z',
  up: 'M8 13v-9.500M4 7.500l4-4 4 4',
  person:
    'M8 2.500a2.7 2.7 0 1 1 0 5.4 2.700 2.700 0 0 1 0-5.400zM2.8 13.500c.5-2.600 2.500-3.800 5.200-3.800s4.700 1.200 5.200 3.800',
  people:
    'M6 3a2.4 2.4 0 1 1 0 4.800 2.400 2.400 0 0 1 0-4.800zM1.500 13c.4-2.300 2.100-3.400 4.500-3.400s4.100 1.100 4.500 3.400M10.500 3.300a2.300 2.300 0 0 1 0 4.400M12 9.900c1.500.4 2.300 1.500 2.500 3.100',
  eye: 'M1.500 8c1.600-2.900 3.800-4.300 6.500-4.300s4.900 1.400 6.500 4.300c-1.600 2.900-3.800 4.300-6.500 4.300s-4.900-1.400-6.500-4.300zM8 6.200a1.800 1.800 0 1 1 0 3.600 1.800 1.800 0 0 1 0-3.600z',
  out: 'M6.500 2.500h-4v11h4M6.500 8h7.500M11 5l3 3-3 3',
  key: 'M10.500 2.500a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8.300 7.700l-5.800 5.800M4.500 11.500l1.500 1.500',
  desktop: 'M2 3h12v8h-12zM6 13.500h4M8 11v2.5',
} as const

export type IconName = keyof typeof paths

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === 'more' ? 1.8 : 1.25}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]} />
    </svg>
  )
}

/** The mark: a canal bank and a stream that bends off it, together a K. */
export function Logo({ size = 22 }: { size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 32 32"
      fill="none"
      strokeLinecap="round"
      strokeWidth="4"
      aria-hidden="true"
    >
      <path stroke="var(--ink)" d="M8 5v22" />
      <path stroke="var(--accent)" d="M25 5c0 6.2-3.6 9.4-10.4 11 6.8 1.6 10.4 4.8 10.4 11" />
    </svg>
  )
}
