"""The one issue that says why no index is published; closed when one is again."""

from __future__ import annotations

from crawler.github.notice import Notice
from index.automation.actions import Job
from index.automation.publication import Publication, Verdict
from index.automation.summary import trouble_text
from index.cli.output import note

LABEL = "crawl-report"
MARKER = "triton-index: why no index is published"
TITLE = "The crawl gives no index that can be published"


def notify(job: Job, done: Publication) -> None:
    """Open, rewrite or close the issue, as the publication ended.

    Raises:
        GithubError: GitHub does not let it be written.
    """
    with job.client() as client:
        notice = Notice(client, job.repo, label=LABEL, marker=MARKER)
        if done.verdict is Verdict.REFUSED:
            text = trouble_text(done.reasons, done.tag, job.run_address)
            note(f"issue {notice.tell(TITLE, text)} says why")
            return
        closed = notice.settle(f"An index is published again: {done.tag}. {job.run_address}")
        if closed is not None:
            note(f"issue {closed} is closed")
