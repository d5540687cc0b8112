//! Korean help texts of commands.

/// A command by its path below `seoham`, its description, and the text after its help.
pub(super) struct Page(pub(super) &'static str, pub(super) &'static str, pub(super) &'static str);

pub(super) const PAGES: [Page; 61] = [
    Page("", "서함: 전자문서를 대량으로 보내고, 열람을 시각으로 확인합니다", ""),
    Page("demo", "가상의 사람들로 만든 시험 환경에서 플랫폼 전체를 보여 줍니다", ""),
    Page("serve", "플랫폼을 실행합니다", ""),
    Page(
        "check",
        "적용되는 설정을 비밀값은 가린 채 보여 주고, 쓸 수 있는지 확인합니다",
        "--deep을 붙이면 설정 대신 저장소의 모든 것을 읽어 확인합니다. 서버가 쓰는 중이어도 됩니다. 종료 코드: 0 이상 없음, 1 이상 있음",
    ),
    Page("init-store", "비어 있는 새 저장소를 만듭니다: 내장 저장소 또는 빈 데이터베이스", ""),
    Page("migrate", "데이터베이스의 스키마를 최신으로 올립니다", ""),
    Page("backup", "사용 중인 저장소를 파일로 복사하고 확인합니다", ""),
    Page("restore", "백업으로 저장소를 만듭니다: 새 데이터 디렉터리 또는 빈 데이터베이스", ""),
    Page("move", "멈춘 내장 저장소를 빈 데이터베이스로 옮기고 빠진 것이 없는지 확인합니다", ""),
    Page("landing", "기관 페이지 앞에서 토큰을 확인하고, 들여보내고, 열람을 보고합니다", ""),
    Page(
        "init",
        "기관이 보낼 곳을 정합니다: 주소, 접근 토큰, 계약을 확인하고 프로필로 저장합니다",
        "예:\n  seoham init\n  seoham init --profile test --url https://sandbox.example.kr --token-file token --contract CON-…",
    ),
    Page(
        "send",
        "스프레드시트나 JSON Lines를 보냅니다. 한 행도 잃지 않고 두 번 보내지 않습니다",
        "예:
  seoham send 고지서.xlsx --check
  seoham send 고지서.csv --set 제목='{{세목}} 고지서' --set 열람일수=30 \\
    --set 링크=https://tax.example.kr/notice --set 문의전화=02-000-0000 --set 문의처=세무과
  seoham send --resume 고지서.csv
  seoham send --rest 고지서.result.csv

종료 코드: 0 모두 접수, 1 일부 거절, 2 끝나지 않음(--resume으로 이어서), 64 잘못된 명령이나 파일",
    ),
    Page(
        "columns",
        "매달 오는 명단의 열 설정을 이름으로 저장합니다",
        "예:
  seoham columns save 자동차세 --set 제목='{{세목}} 고지서' --set 열람일수=30 --set 문의전화=02-000-0000 \\
    --set 문의처=세무과 --set 링크=https://tax.example.kr/notice
  seoham send 고지서.xlsx --columns 자동차세",
    ),
    Page("columns save", "명단의 열과 고정값을 저장합니다. 보낼 때 --columns 이름", ""),
    Page("columns list", "저장된 이름을 모두 보여 줍니다", ""),
    Page("columns show", "이름으로 저장된 내용을 보여 줍니다", ""),
    Page("columns remove", "이름으로 저장된 내용을 지웁니다", ""),
    Page(
        "status",
        "문서가 어디까지 갔는지 조회합니다. 한 번, 또는 모두 끝날 때까지",
        "예:\n  seoham status 고지서.result.csv --watch --csv 시각.csv\n  seoham status 고지서.result.xlsx --post 우편.xlsx\n  seoham status BIN-0123456789abcdef0123456789abcdef\n\n종료 코드: 0 조회함(--watch: 모두 끝남), 2 끝나지 않음, 64 잘못된 명령이나 파일",
    ),
    Page("log", "교환 기록을 봅니다", ""),
    Page("log verify", "바뀌거나 지워지거나 옮겨진 기록이 있는지 확인합니다. 있으면 1로 끝납니다", ""),
    Page("log show", "한 문서의 기록을 모두 보여 줍니다. 기록이 손상되었으면 1로 끝납니다", ""),
    Page("keys", "마스터 키", ""),
    Page(
        "keys new",
        "권한 0600인 파일에 새 마스터 키를 만듭니다. 잃으면 데이터를 읽을 수 없으니 따로 보관하십시오",
        "",
    ),
    Page(
        "keys exchange",
        "키 파일의 맨 앞에 새 마스터 키를 넣습니다. 새 데이터는 새 키로 봉인하고, 이전 데이터는 이전 키로 읽습니다",
        "",
    ),
    Page("admin", "실행 중인 플랫폼을 관리 주소로 운영합니다", ""),
    Page("admin institution", "기관", ""),
    Page("admin institution create", "기관을 만듭니다", ""),
    Page("admin institution list", "모든 기관을 보여 줍니다", ""),
    Page("admin institution show", "기관 하나와 그 계약, 토큰, 오늘 보낸 문서를 보여 줍니다", ""),
    Page("admin institution mark", "수신자가 기관을 알아보는 그림을 정합니다", ""),
    Page("admin contract", "기관의 계약", ""),
    Page("admin contract create", "계약을 만듭니다", ""),
    Page(
        "admin contract card",
        "JSON payload 가운데 문서 카드에 보여 줄 항목을 정합니다. 아무것도 주지 않으면 없앱니다",
        "",
    ),
    Page("admin contract close", "계약을 영구히 닫습니다. 먼저 묻습니다", ""),
    Page("admin token", "기관의 접근 토큰", ""),
    Page("admin token create", "접근 토큰을 만듭니다. 이때 한 번만 보여 줍니다", ""),
    Page("admin token revoke", "접근 토큰을 바로 폐기합니다", ""),
    Page("admin plan", "기관이 예고한 물량과 실제 물량", ""),
    Page("admin plan announce", "물량을 예고합니다. 하루 500,000건 이상이 예상되는 기관을 위한 것입니다", ""),
    Page("admin plan list", "기관의 계획과 날마다 들어온 물량을 보여 줍니다", ""),
    Page("admin plan waiting", "결정을 기다리는 모든 기관의 계획을 보여 줍니다", ""),
    Page("admin plan approve", "계획을 승인합니다", ""),
    Page("admin plan decline", "계획을 반려합니다", ""),
    Page("admin import-people", "NDJSON 파일로 사람을 추가하거나 고칩니다. -는 표준 입력", ""),
    Page("admin person", "잠긴 사람을 돕습니다", ""),
    Page("admin person unlock", "여러 번 틀려서 걸린 잠금을 모두 풉니다", ""),
    Page("admin person force-new-pin", "PIN을 지웁니다. 본인이 휴대전화 링크와 생년월일로 새로 만듭니다", ""),
    Page("admin document", "문서에 대해 알려진 모든 것을 개인정보는 가린 채 보여 줍니다", ""),
    Page("admin notifications", "메신저가 받지 않은 알림의 까닭을 보고 다시 보냅니다", ""),
    Page(
        "admin notifications waiting",
        "다시 시도할 알림: 시도 횟수, 마지막 오류, 다음 시도. 최근 것부터",
        "",
    ),
    Page("admin notifications given-up", "포기한 알림: 시도 횟수, 마지막 오류. 최근 것부터", ""),
    Page("admin notifications send-again", "다시 보냅니다: 문서 하나, 한 기관, 또는 모두", ""),
    Page("admin deliveries", "전달 작업이 진행되는지", ""),
    Page("admin deliveries show", "대기 중인 것을 어떻게 처리하는지 보여 줍니다", ""),
    Page("admin deliveries release", "복원한 백업에서 대기하던 알림을 어떻게 할지 정합니다", ""),
    Page("admin clock", "프로세스의 시계", ""),
    Page("admin clock show", "프로세스와 시스템의 시계를 나란히 보여 줍니다", ""),
    Page("admin clock confirm", "시스템의 시계가 맞습니다. 그 시각을 받아들이고 다시 서비스합니다", ""),
    Page("openapi", "기관 API의 OpenAPI 문서를 출력합니다", ""),
    Page("completions", "셸 자동 완성 스크립트를 출력합니다", ""),
    Page("man", "모든 명령의 매뉴얼을 파일로 만듭니다", ""),
];
