import { type Browser, chromium } from 'playwright-core'

/** Debian's Chromium, unless CHROMIUM_PATH names another one. */
export const executablePath = process.env['CHROMIUM_PATH'] || '/usr/bin/chromium'

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--headless', '--no-sandbox', '--disable-background-networking'] })
