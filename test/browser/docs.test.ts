import { expect, it } from 'vitest'
import { startService, temporaryDirectory } from '../support/processes.ts'
import { inBrowser } from './browser.ts'

const browser = inBrowser()

it('the API reference shows the operations, from files of the service alone', async () => {
  // As it was built: the files that the page needs come with the build.
  const { url } = await startService({ DATA_DIR: temporaryDirectory() })
  const { page, troubles } = await browser.open(`${url}/docs`)
  await page.locator('.opblock').first().waitFor()
  const paths = await page.locator('.opblock-summary-path').allInnerTexts()
  expect(paths.map((path) => path.replaceAll('\u200b', ''))).toEqual(
    expect.arrayContaining(['/user/registration', '/users', '/users/{id}']),
  )
  await page.locator('.opblock-summary-control').first().click()
  await page.locator('.opblock-body').first().waitFor()
  expect(troubles).toEqual([])
}, 60_000)
