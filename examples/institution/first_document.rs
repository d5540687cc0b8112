use seoham_kit::client::{Client, NewDocument, NewReceiver, SendOptions};
use seoham_model::status::DocBoxStatus;

/// Sends a document, and reads it as its recipient and the institution's page would.
pub async fn first_document(
    platform: &str,
    token: String,
    contract: &str,
) -> Result<DocBoxStatus, Box<dyn std::error::Error>> {
    let client = Client::builder(platform).contract_uuid(contract).build(token.into())?;
    let receiver = NewReceiver::by_phone("01000000001", "서함시험", "19900101");
    let document = NewDocument::new("첫 문서", "https://tax.example.kr/notice", receiver)
        .customer_service("02-000-0000", "세무과")
        .external_document_uuid("KIT-1");

    // Under a key the kit may repeat the send when an answer is lost.
    let results = client.send(&[document], &SendOptions::keyed("kit-first-1")).await?;
    let binder = results[0].document_binder_uuid.as_deref().ok_or("refused")?;

    // In a sandbox the recipient opens at a call; the address carries the one-time token.
    let address = client.sandbox().open(binder).await?;
    let (_, token) = address.split_once("token=").ok_or("no token")?;
    let token = token.split('&').next().unwrap_or(token);
    client.verify(binder, token).await?;
    client.mark_read(binder).await?;
    Ok(client.status(binder).await?.doc_box_status)
}
